"""The keys that Ratchet adds to TRL's, all of them. Everything else in a recipe is TRL's, transformers' or peft's own.

trainer     sft or grpo: which script runs the recipe
task        what is learned: a task's name, or the path of a Python file with one (relative to the recipe)
data        where the task's rows come from; the keys are the fields of the task's class
rewards     reward name, or where a function stands (``rewards.foreign``) -> {weight, its parameters}; null takes an
            inherited one away (GRPO)
objective   what GRPO minimises: a name, or {name: ..., its parameters} (``ratchet.objectives``; docs/objectives.md)
distillation  a teacher that is told more, or is larger (``Distillation`` below; trainer: distill, or GRPO's rewards
            beside it)
audit       whether cheap answers can win the rewards, asked before training (``Audit`` below; ``audit: warn``)
curriculum  which prompts are sampled, and how: stages, rest, dynamic sampling (``Curriculum`` below; GRPO)
diagnostics what is watched while a model learns (``Diagnostics`` below; ``diagnostics: off`` for short)
tracking    W&B and Trackio: project, group, tags, offline (``Tracking`` below; which trackers is TRL's ``report_to``)
report      the page about the run that is written at its end (``ReportPage`` below; ``report: off`` for short)
lean        passes through the model without padding and rows of no gradient (``Lean`` below; ``lean: off``)
checkpointing  how checkpoints are kept, and how long a stop may take (``Checkpointing`` below)
publish     what beside the model goes to the Hub (``Publish`` below; whether anything does is TRL's ``push_to_hub``)
faults      what is done when a reward, a step, a server or a process fails (``Faults`` below)
asynchronous  rollouts continue while the model is trained (``Asynchronous`` below; GRPO with a vLLM server)
evaluation  what is measured before, during and after training (``Evaluation`` below)
from_scratch  a model with random weights instead of ``model_name_or_path`` (``FromScratch`` below)
extends     another recipe, on which this one is laid key by key; where it names another task, data and rewards
            are not inherited
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ratchet.recipe.fields import Field, from_annotation, of_dataclass


@dataclass(frozen=True)
class Evaluation:
    """What is measured on held-out rows, always with the grader that also gives the reward."""

    split: Literal["train", "validation", "test"] = "validation"
    """The rows evaluated on."""
    max_rows: int | None = None
    """At most so many of them (a random sample with ``seed``)."""
    before: bool = False
    """Whether the model is measured before training too."""
    after: bool = True
    """Whether the trained model is measured."""
    samples: int = 0
    """Completions sampled per row for pass@k, next to the greedy one; 0 leaves pass@k out."""
    temperature: float = 1.0
    """Of these samples."""
    top_p: float = 1.0
    """Of these samples."""
    max_new_tokens: int | None = None
    """Longest completion; without it ``max_completion_length``, or 512 where the trainer has none."""
    batch_size: int = 32
    """Completions generated at a time on each process."""
    show: int = 3
    """Completions printed and kept for comparison."""
    seed: int = 0
    """Of the sample of rows and of the sampled completions."""


@dataclass(frozen=True)
class FromScratch:
    """A model built from a configuration, with a tokenizer trained on the task's rows (see ``models.scratch``)."""

    config: dict[str, Any] = field(default_factory=dict)
    """``model_type`` and the fields of that model's transformers configuration."""
    vocab_size: int = 1024
    """Of the tokenizer, at most."""
    seed: int = 0
    """Of the weights."""


FINDINGS: dict[str, str] = {
    "gold-below-maximum": "a right answer, honestly given, does not earn the most there is",
    "reasoning-costs": "reasoning lowers the reward of a right answer",
    "ignorance-pays": "a policy that knows nothing earns a good part of gold's reward",
    "silence-pays": "an empty answer is rewarded",
    "hack-pays": "a way to cheat earns a good part of gold's reward, or is graded correct",
    "depends-on-batch": "what a completion earns depends on the batch, its order or the number of calls",
    "dead-component": "a reward has one value for everything",
    "unreachable-component": "a reward's highest value cannot be reached on some rows",
    "gold-in-prompt": "the answer stands in the prompt",
    "several-golds": "one prompt has several gold answers",
    "placeholder-gold": "a gold answer is a placeholder",
}


@dataclass(frozen=True)
class Audit:
    """What the audit does with a finding, and how much is too much (see ``ratchet.audit``)."""

    mode: Literal["stop", "warn", "off"] = "stop"
    """Whether a finding that fails stops the run before it starts, is only printed, or nothing is looked for."""
    rows: int = 200
    """Rows audited at the start of a run, drawn at random; ratchet audit takes all."""
    seconds: float = 300.0
    """After so many no further rows are begun, and the outcome says how many were audited: other processes wait."""
    timeout: float = 60.0
    """A grader or a reward that takes longer than so many seconds for one call is stopped."""
    margin: float = 0.15
    """A policy that knows nothing may earn the commonest answer's share of the rows and this share of gold's
    reward."""
    hack: float = 0.5
    """A hack may earn this share of gold's reward."""
    hack_correct: float = 0.01
    """A hack may be graded correct on this share of the rows."""
    gold: float = 0.99
    """A right answer must earn the highest reward on this share of the rows."""
    faulty_rows: float = 0.01
    """Share of the rows that may leak their answer, contradict each other, or cost a right answer its reasoning."""
    accept: dict[str, str] = field(default_factory=dict)
    """Name of a finding -> the reason for living with it."""


@dataclass(frozen=True)
class Curriculum:
    """Which prompts are sampled next, and how (docs/curriculum.md)."""

    stages: dict[str, float] = field(default_factory=dict)
    """Value of ``column`` -> measured accuracy at which the next stage's rows are added; of the last one it is not
    used."""
    column: str = "difficulty"
    """The rows' column that names the stage."""
    window: int = 256
    """Accuracy is measured on so many latest sampled answers, over all processes."""
    max_steps: int | None = None
    """A stage lasts at most so many optimiser steps, at any accuracy; null: forever."""
    keep: bool = True
    """Whether the rows of earlier stages stay in."""
    measured: str | None = None
    """File of prompts' shares right, as ``ratchet sample`` writes it (difficulty.jsonl): rows whose share is not
    between ``hardest`` and ``easiest``, and rows that it does not have, are left out."""
    hardest: float = 0.0
    """Lowest measured share right of a row."""
    easiest: float = 1.0
    """Highest."""
    rest_solved: int = 0
    """Turns that a prompt sits out at most once its completions all earned the same and were right: one at first,
    then two, four, and so on while it stays so; 0: none."""
    rest_hopeless: int = 0
    """The same for a prompt whose completions all earned the same and were wrong."""
    resample: int = 0
    """Times that those groups of a generation whose rewards are all alike are sampled anew, from the prompts that
    come next (DAPO's dynamic sampling, with a bound)."""
    temperature_to: float | None = None
    """Sampling temperature at the end; at the beginning it is ``temperature``."""
    temperature_steps: int | None = None
    """Optimiser steps until it is reached; null: all of the run's."""
    temperature_shape: Literal["linear", "cosine"] = "linear"
    """Of the way there."""


@dataclass(frozen=True)
class Diagnostics:
    """What is watched while a model learns; docs/metrics.md defines every figure."""

    mode: Literal["on", "off"] = "on"
    """Whether anything is."""
    every: int = 50
    """Optimiser steps from one probe to the next: attention, and the distance from the initial model."""
    rows: int = 8
    """Rows of a probe on each process: fixed ones for attention, sampled completions for the distance."""
    letters: bool = True
    """Margins and counts of the letters, where the task's answers are letters (GRPO)."""
    kl: bool = True
    """The distance from the initial model (GRPO); with full training and beta 0 this keeps a frozen copy in main
    memory."""
    attention: bool = True
    """Entropy of attention by layer, heat maps, and the embedding trajectory."""
    queries: int = 16
    """Last queries of each probed row whose attention counts."""
    heat_maps: list = field(default_factory=lambda: [[0, 0]])
    """[layer, head] pairs whose attention is kept as heat maps."""
    gradients: bool = True
    """Norm of each layer's gradient before clipping."""
    samples: int = 16
    """Sampled completions kept at each log (GRPO)."""

    def without(self, name: str) -> "Diagnostics":
        """These settings with one kind switched off."""
        return replace(self, **{name: False})


@dataclass(frozen=True)
class Tracking:
    """What W&B and Trackio are told."""

    project: str | None = None
    """Project; without it WANDB_PROJECT, else "ratchet"."""
    entity: str | None = None
    """W&B user or team."""
    group: str | None = None
    """Runs that belong together."""
    tags: list = field(default_factory=list)
    """Of the run (W&B)."""
    offline: bool = False
    """W&B keeps everything in the run's folder, for ``wandb sync`` later."""
    figures: bool = False
    """Whether W&B also gets the interactive figures, at every evaluation."""


@dataclass(frozen=True)
class ReportPage:
    """The page about a run."""

    mode: Literal["on", "off"] = "on"
    """Whether it is written at the end; ratchet report writes it at any time."""
    price_per_hour: float | None = None
    """What an hour of all the machines of this run costs; without it no cost is stated."""
    currency: str = "USD"
    """Of the price."""


@dataclass(frozen=True)
class Checkpointing:
    """How checkpoints are kept. How often they are made, and how many stay, are TRL's ``save_steps`` and
    ``save_total_limit``."""

    keep_every: int | None = None
    """Checkpoints whose step is a multiple of it stay beyond ``save_total_limit``."""
    grace: float = 25.0
    """Seconds that the step under way and its checkpoint may take after SIGTERM or SIGINT (torchrun kills after
    30)."""
    wait_for_space: float = 600.0
    """Seconds to wait for room on a full disk before the run stops."""


@dataclass(frozen=True)
class Faults:
    """What is done when something fails that is not the run's own."""

    on_reward_error: Literal["stop", "skip"] = "stop"
    """Whether a completion that a reward fails on stops the run, or is left out of its group."""
    max_skipped: float = 0.01
    """Share of all completions so far that may be left out; above it the run stops."""
    reward_timeout: float = 60.0
    """Seconds that grading and rewarding one completion may take (in a worker process)."""
    reward_workers: int | None = None
    """Worker processes that grade and reward, at most; null: eight for code of one's own, judges, mathematics and
    programs, none for the rest, which takes little time; 0: none."""
    max_bad_steps: int = 3
    """Steps in a row whose loss or gradient is non-finite, before the run stops."""
    server_timeout: float = 600.0
    """Seconds that one request to a vLLM server may take: a whole generation."""
    server_wait: float = 900.0
    """Seconds to wait for a vLLM server that went away in mid-run."""
    server_log: str | None = None
    """Its log, whose end is shown when it does not come up or back."""
    upload_wait: float = 120.0
    """Seconds at the end of a run in which the Hub is still tried; then the command that uploads what is left is
    printed."""
    hang_timeout: float = 900.0
    """Seconds without a pass through the model, after which a process leaves (a vLLM generation must fit in)."""


@dataclass(frozen=True)
class Publish:
    """What goes to the Hub beside the model, its card, the recipe and the result, and who evaluates what was saved."""

    completions: bool = False
    """Whether what the model wrote (sampled completions, evaluated answers) is published too."""
    base: str | None = None
    """The model on the Hub that a published adapter belongs to (OWNER/MODEL), where the run began from a folder."""
    evaluate: Literal["off", "local", "slurm", "hf-jobs"] = "off"
    """Where every saved checkpoint is evaluated: nowhere, in a process beside this one, as a Slurm job, as a job on
    the Hub."""
    split: Literal["train", "validation", "test"] | None = None
    """The rows of that evaluation; without it those of ``evaluation.split``."""
    options: list = field(default_factory=list)
    """Of sbatch, for instance [--gres=gpu:1, --time=0:30:00]."""
    image: str = "python:3.11"
    """Of the job on the Hub."""
    flavor: str = "l4x1"
    """Its hardware."""
    timeout: str = "1h"
    """How long it may take."""
    source: str | None = None
    """What pip installs there after "ratchet-recipes @ ", for instance git+https://... of your copy of this
    repository."""


@dataclass(frozen=True)
class Lean:
    """Steps that compute nothing for nothing (docs/lean.md): TRL's losses in other micro-batches."""

    mode: Literal["on", "off"] = "on"
    """Whether rows are sorted by length, cut to their own width, and left out where their gradient is zero; "off" is
    TRL bit for bit."""
    tokens_per_micro_batch: int | None = None
    """Tokens of one pass through the model, padding included, instead of ``per_device_train_batch_size`` rows; a
    longer row has a pass of its own."""


@dataclass(frozen=True)
class Distillation:
    """What the student learns from a teacher that reads more, or is larger (docs/distillation.md)."""

    context: str | None = None
    """What the teacher is told beside the student's prompt: a text, a Jinja template over the row ("{{ rationale }}"),
    or "file.py:function" of a row. Without one the teacher reads the same prompt."""
    teacher: str = "start"
    """Whose weights: "start" (the model as training began), "live" (the student's own), "average" (that follows the
    student), a folder or a model on the Hub with the same tokenizer, or the URL of a vLLM server that scores."""
    form: Literal["token", "sequence", "reverse_kl", "forward_kl", "jsd", "top_k", "teacher_samples"] = "token"
    """How: log-probabilities of the sampled tokens as an advantage of each token; their sums as a part of the reward;
    a divergence over the whole vocabulary on the student's samples, or over the teacher's likeliest tokens; or the
    teacher's samples, imitated."""
    top_k: int = 20
    """Of ``form: top_k``: tokens of the teacher at each position; all others are one bucket."""
    adv_tau: float = 0.5
    """Weight of the reward's advantage; 0 where the recipe has no rewards."""
    teacher_tau: float = 0.5
    """Weight of the teacher's log-probabilities, or of the divergence."""
    student_tau: float = 0.5
    """Weight of the student's own, which is what keeps its samples from becoming all alike."""
    by_length: bool = False
    """Of ``form: sequence``: whether sums are divided by the completion's length, so that long answers weigh no
    more."""
    only_where_wrong: bool = False
    """Whether a prompt's teacher weighs as the share of its completions that are wrong; with ``teacher_samples``,
    whether only samples that are right are imitated."""
    follow: float = 0.05
    """Of ``teacher: average``: how far it goes towards the student after each step."""
    measure: int = 200
    """Held-out rows on which student and teacher are measured, with and without the context, before the first step;
    0: neither is."""
    must_be_better: bool = True
    """Whether a teacher that is not clearly more often right than the student stops the run."""
    model: str = ""
    """Of a server: the model's name there; empty: the only one that it has."""
    key: str = "OPENAI_API_KEY"
    """Of a server: the environment variable that holds its key, if it asks for one."""


@dataclass(frozen=True)
class Asynchronous:
    """Rollouts that a vLLM server keeps making while the trainer trains (TRL's experimental ``async_grpo``;
    docs/asynchronous.md)."""

    max_staleness: int = 4
    """A sample made by weights more than so many synchronisations old is thrown away."""
    weight_sync_steps: int = 1
    """Optimiser steps from one synchronisation of the server's weights to the next."""
    max_inflight: int | None = None
    """Completions that may be under way; null: ``max_staleness`` steps' worth."""
    queue: int = 1024
    """Finished samples that may wait for the trainer."""
    token_budget: int | None = None
    """Tokens of one packed row; null: the server's longest sequence, 0: ``per_device_train_batch_size`` samples
    instead."""
    silence: float = 300.0
    """Seconds without a sign of life from the rollouts, after which the run stops."""


GROUPS: dict[str, type] = {
    "checkpointing": Checkpointing,
    "lean": Lean,
    "faults": Faults,
    "audit": Audit,
    "curriculum": Curriculum,
    "diagnostics": Diagnostics,
    "tracking": Tracking,
    "report": ReportPage,
    "evaluation": Evaluation,
    "from_scratch": FromScratch,
    "publish": Publish,
    "asynchronous": Asynchronous,
    "distillation": Distillation,
}
OPTIONAL = ("curriculum", "from_scratch", "asynchronous", "distillation")  # None where a recipe has none

OWN_FIELDS: dict[str, Field] = {
    "trainer": from_annotation(str, required=True),  # ``recipe.method`` knows which there are
    "task": from_annotation(str, required=True),
    "data": Field(frozenset({"dict"})),
    "tasks": Field(frozenset({"dict", "none"})),
    "rewards": Field(frozenset({"dict"})),
    "objective": Field(frozenset({"str", "dict", "none"})),
    **{
        name: Field(frozenset({"dict", "none"} if name in OPTIONAL else {"dict"}), group=of_dataclass(cls))
        for name, cls in GROUPS.items()
    },
}

# Where Ratchet's default differs from TRL's.
DEFAULTS: dict[str, Any] = {"report_to": "none"}
