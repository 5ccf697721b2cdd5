"""Every private part of transformers and TRL that Ratchet overrides or touches: what, why, and the test that needs it.

Private names may move with any release. ``tests/training/test_trl_internals.py`` checks each against the installed
version, and finds one that is used and not listed here, so that an upgrade says at once what moved.
"""

from typing import NamedTuple

TRAINER = "transformers:Trainer"
GRPO = "trl:GRPOTrainer"
DISTILLATION = "trl:DistillationTrainer"
ASYNC = "trl.experimental.async_grpo:AsyncGRPOTrainer"

RESUME = "tests/training/test_resume.py::test_a_stopped_run_goes_on_exactly"
LEAN = "tests/training/lean/test_against_trl.py::test_losses_and_weights_are_those_of_plain_trl"
NAIVE = "tests/diagnostics/test_against_naive.py"


class Internal(NamedTuple):
    """One private method or attribute of a library."""

    owner: str
    """The class that has it, as "module:Class"."""
    name: str
    why: str
    test: str
    """A test that fails where it does not do what is expected of it."""


OVERRIDDEN = (
    Internal(
        TRAINER,
        "_save_checkpoint",
        "a checkpoint is written apart, sealed, renamed last, and only then pushed and evaluated",
        "tests/end_to_end/test_stopping.py::test_torn_checkpoints_are_set_aside_by_name",
    ),
    Internal(
        TRAINER,
        "_save",
        "a model is saved with the configuration that it was loaded with",
        "tests/training/test_as_loaded.py::test_a_mixture_of_experts_is_measured_after_sft_and_saved_as_it_was",
    ),
    Internal(
        TRAINER,
        "_get_output_dir",
        "transformers writes a checkpoint into the folder of unfinished saves",
        "tests/end_to_end/test_stopping.py::test_a_full_disk_costs_no_checkpoint_and_the_run_waits_for_room",
    ),
    Internal(
        TRAINER,
        "_push_from_checkpoint",
        "checkpoints are queued for revisions of their own instead of pushed in the foreground",
        "tests/end_to_end/test_hub.py::test_every_checkpoint_has_a_revision_of_its_own_with_its_own_weights_and_card",
    ),
    Internal(
        TRAINER,
        "_init_training_state",
        "the best checkpoint is named by where it is now, and the sampler hears which epoch is resumed",
        RESUME,
    ),
    Internal(
        TRAINER,
        "_prepare_for_training",
        "an optimiser or a schedule that cannot be read ends in a sentence",
        "tests/end_to_end/test_faults.py::test_pickles_in_the_place_of_tensors_do_not_run",
    ),
    Internal(
        TRAINER,
        "_load_from_checkpoint",
        "weights that cannot be read end in a sentence",
        "tests/end_to_end/test_faults.py::test_pickles_in_the_place_of_tensors_do_not_run",
    ),
    Internal(
        TRAINER,
        "_load_rng_state",
        "random states that cannot be read end in a sentence",
        "tests/end_to_end/test_faults.py::test_pickles_in_the_place_of_tensors_do_not_run",
    ),
    Internal(
        TRAINER,
        "_determine_best_metric",
        "a metric_for_best_model that nothing measures ends in a sentence instead of a KeyError",
        "tests/end_to_end/test_training.py::test_a_metric_that_nothing_measures_ends_in_a_sentence",
    ),
    Internal(
        TRAINER,
        "_issue_warnings_after_load",
        "tied weights are saved once, and are not missing",
        "tests/end_to_end/test_training.py::test_the_best_model_that_is_loaded_at_the_end_is_the_one_measured",
    ),
    Internal(
        TRAINER,
        "_run_epoch",
        "a run that stopped after its last step has none left to train",
        "tests/end_to_end/test_stopping.py::"
        "test_a_stopped_run_goes_on_by_the_same_command_and_a_finished_one_has_nothing_to_do",
    ),
    Internal(
        TRAINER,
        "_clip_grad_norm",
        "gradients are observed before they are clipped",
        f"{NAIVE}::test_gradient_norms_are_those_of_autograd_before_clipping",
    ),
    Internal(
        TRAINER,
        "_get_grad_norm",
        "a step whose gradient is non-finite is left out: the norm is the last thing known before the optimiser steps",
        "tests/training/test_faults.py::test_a_step_without_a_finite_loss_changes_nothing_and_several_stop_the_run",
    ),
    Internal(
        GRPO,
        "_get_train_sampler",
        "TRL's sampler replays the first epoch after a resume, and knows no curriculum",
        RESUME,
    ),
    Internal(
        GRPO,
        "_generate_and_score_completions",
        "a rollout is timed and observed",
        f"{NAIVE}::test_rewards_advantages_and_lengths_are_those_of_all_processes",
    ),
    Internal(
        GRPO,
        "_calculate_rewards",
        "a completion that a reward fails on is left out or stops the run, on all processes alike",
        "tests/training/test_faults.py::test_failing_completions_can_be_left_out_and_are_counted",
    ),
    Internal(
        GRPO,
        "_get_per_token_logps_and_entropies",
        "diagnostics read log-probabilities that training computes anyway",
        f"{NAIVE}::test_token_figures_are_those_of_full_logits",
    ),
    Internal(
        GRPO,
        "_generate_single_turn",
        "completions are written by Ratchet's decoding",
        "tests/inference/test_decoding.py::test_rollouts_of_lean_steps_are_trls",
    ),
    Internal(
        GRPO,
        "_tokenize_prompts",
        "a prompt of several completions is tokenised once",
        "tests/inference/test_decoding.py::test_rollouts_of_lean_steps_are_trls",
    ),
    Internal(
        GRPO,
        "_prepare_inputs",
        "the rows of a step are put together anew when TRL has cut them into micro-batches",
        LEAN,
    ),
    Internal(
        GRPO,
        "_compute_loss",
        "diagnostics read the hidden states of the forward pass that training makes anyway",
        f"{NAIVE}::test_letter_margins_and_counts_are_those_of_full_logits",
    ),
    Internal(
        DISTILLATION,
        "_get_last_hidden_state",
        "in TRL's divergence, which is called as it is (_compute_loss), the teacher reads another prompt",
        "tests/training/distillation/test_terms.py::"
        "test_a_divergence_is_that_of_the_definition_with_a_teacher_that_reads_another_prompt",
    ),
)

TOUCHED = (
    Internal(GRPO, "_metrics", "sums for the next log, which a resumed run continues", RESUME),
    Internal(TRAINER, "_tr_loss", "the loss since the last log", RESUME),
    Internal(TRAINER, "_total_loss_scalar", "the loss of the whole run", RESUME),
    Internal(TRAINER, "_globalstep_last_logged", "where the last log was", RESUME),
    Internal(TRAINER, "_initial_global_step", "where this start began, by which the mean loss is divided", RESUME),
    Internal(GRPO, "_step", "micro-batches so far: whether a generation is due", RESUME),
    Internal(GRPO, "_buffered_inputs", "completions that are still to be trained on", RESUME),
    Internal(GRPO, "_entropy_bonus_enabled", "rows stay where they are with it", LEAN),
    Internal(GRPO, "_logs", "completions of the table", RESUME),
    Internal("trl:SFTTrainer", "_total_train_tokens", "tokens so far", RESUME),
    Internal(
        ASYNC,
        "rollout_worker",
        "whose process is looked at, since TRL's loop waits forever for a dead one's samples",
        "tests/training/trainers/test_async_grpo.py::test_a_reward_that_raises_ends_the_run_with_a_sentence",
    ),
)
