"""What the audit knows, watched for during a run: each alarm once, with its likely cause and the remedy."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

PATIENCE = 10  # logged steps in a row before a steady state counts
# Mean |log-probability of the sampler - of the trainer|. Measured with vLLM on a CPU: 5e-7 where both compute in
# float32 (3e-4 with LoRA's dropout), 0.004 with bfloat16; one layer scaled by 1.5 gives 0.03 to 0.05.
# The largest difference counts in float32 alone: a stale output head gives 0.25 at most and 0.002 in the mean.
MISMATCH = {"float32": {"mean": 0.002, "max": 0.05}}
MISMATCH_16_BIT = {"mean": 0.03}
APART = 1e-6  # relative difference of the weights' sizes: of the same type they are the same
MOVING = 0.5  # share of the weights that a step should change at least; float32 changes nearly all
WARM = 5  # steps before that is judged: a warmup begins with a rate of zero
LEAKS = 0.02  # share of the completions that may speak of a context
ENOUGH = 200  # answers before their distribution counts


@dataclass
class AlarmMonitor:
    """Takes what is logged and what is answered, and says what is wrong, once."""

    answers: Sequence[str] = ()
    """The task's possible answers; empty where there are not finitely many."""
    computed_in: str = "bfloat16"
    """The type of training's matrix products, from which follows how far another sampler may be away."""
    rewarded: bool = True
    """Whether anything is learned from the rewards; else they are figures, of which nothing depends."""
    raised: dict[str, str] = field(default_factory=dict)
    """Every alarm so far: name -> text."""

    def __post_init__(self) -> None:
        self._runs: Counter = Counter()
        self._said: deque[str | None] = deque(maxlen=ENOUGH)
        self._golds: deque[str] = deque(maxlen=ENOUGH)
        self._rewards: list[float] = []
        self._evaluations: list[tuple[float, float, float, int]] = []  # accuracy, low, high, rewards logged before

    def state_dict(self) -> dict[str, Any]:
        """What was taken so far, as plain data."""
        return {
            "raised": dict(self.raised),
            "runs": dict(self._runs),
            "said": list(self._said),
            "golds": list(self._golds),
            "rewards": list(self._rewards),
            "evaluations": list(self._evaluations),
        }

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Resume from what ``state_dict`` returned."""
        self.raised = dict(found["raised"])
        self._runs = Counter(found["runs"])
        self._said = deque(found["said"], maxlen=ENOUGH)
        self._golds = deque(found["golds"], maxlen=ENOUGH)
        self._rewards = list(found["rewards"])
        self._evaluations = list(found["evaluations"])

    def answered(self, answers: Sequence[str | None], golds: Sequence[str]) -> None:
        """Take the answers of sampled completions, and the right ones."""
        self._said.extend(answers)
        self._golds.extend(golds)

    def logged(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        """Take what TRL logs for a training step; returns new alarms."""
        found = self._not_finite(step, logs) + self._other_weights(step, logs) + self._still(step, logs)
        found += self._leaks(step, logs)
        reward = logs.get("reward")
        if not isinstance(reward, (int, float)):
            return found
        self._rewards.append(float(reward))
        found += self._rewards_say_nothing(step, reward, logs) if self.rewarded else []
        found += self._truncated(step, logs)
        return found + self._one_answer(step)

    def evaluated(self, step: int, accuracy: float, low: float, high: float, majority: float) -> list[str]:
        """Take an evaluation on held-out rows; returns new alarms."""
        self._evaluations.append((accuracy, low, high, len(self._rewards)))
        if step == 0:
            return []
        found = []
        if low <= majority:
            found += self._raise(
                "not-above-majority",
                f"held-out accuracy {accuracy:.3f} [{low:.3f}, {high:.3f}] at step {step} "
                f"is not above always giving the commonest answer ({majority:.3f})",
                "nothing was learned yet that an empty policy could not do, "
                "or there are too few held-out rows to tell",
                "train longer, or look at the answers given; raise evaluation.max_rows if the interval is wide",
            )
        return found + self._reward_without_accuracy(step)

    def _rewards_say_nothing(self, step: int, reward: float, logs: Mapping[str, Any]) -> list[str]:
        """All rewards are 0, or those within a group are equal: GRPO's advantage is 0 then."""
        found = []
        flat = abs(reward) < 1e-9 and logs.get("reward_std", 0.0) < 1e-9
        if self._for_long("flat", flat):
            found += self._raise(
                "reward-flat-at-zero",
                f"the reward was 0 for every completion of {PATIENCE} logged steps (step {step})",
                "the model never gives an answer that the grader reads as right: the task is too hard for it, "
                "completions are cut off, or the prompt asks for a form it does not know",
                "look at some completions; warm up with SFT on the targets, take easier rows (a curriculum), "
                "or raise max_completion_length",
            )
        if not flat and self._for_long("spread", logs.get("frac_reward_zero_std", 0.0) > 0.8):
            found += self._raise(
                "groups-without-spread",
                f"more than 80 % of the groups had equal rewards in {PATIENCE} logged steps in a row (step {step})",
                "all completions of a prompt are right, or all are wrong, so there is nothing to prefer",
                "raise num_generations, take rows of another difficulty (a curriculum), or stop: it may be learned",
            )
        return found

    def _truncated(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        if not self._for_long("cut", logs.get("completions/clipped_ratio", 0.0) > 0.9):
            return []
        return self._raise(
            "completions-truncated",
            f"more than 90 % of the completions were cut off in {PATIENCE} logged steps in a row (step {step})",
            "max_completion_length is too short, or the model does not end its answers "
            "(a wrong chat template or end token)",
            "raise max_completion_length; if completions run on past the answer, check the end-of-sequence token",
        )

    def _not_finite(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        given = {name: logs.get(name) for name in ("loss", "grad_norm")}
        broken = [name for name, value in given.items() if isinstance(value, float) and not isfinite(value)]
        if not broken:
            return []
        verb = "is" if len(broken) == 1 else "are"
        return self._raise(
            "not-finite",
            f"{' and '.join(broken)} {verb} non-finite (NaN or inf) at step {step}",
            "the learning rate is too high, the precision too low, or a row holds what no number can be made of",
            "stop: the weights are lost. Restart from an earlier checkpoint with a lower learning_rate, "
            "a longer warmup_steps, max_grad_norm: 1.0, or bf16",
        )

    def _other_weights(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        weights = logs.get("weights/sampler_apart")
        if isinstance(weights, (int, float)) and weights > APART:
            return self._disagrees(f"the engine's weights differ from the trainer's by {weights:.1e} (step {step})")
        for which, limit in MISMATCH.get(self.computed_in, MISMATCH_16_BIT).items():
            apart = logs.get(f"sampling/sampling_logp_difference/{which}")
            if isinstance(apart, (int, float)) and apart > limit:
                how = "on average" if which == "mean" else "at most"
                return self._disagrees(
                    f"the sampler's log-probabilities are {apart:.3f} away from the trainer's {how} (step {step})"
                )
        return []

    def _disagrees(self, found: str) -> list[str]:
        return self._raise(
            "sampler-disagrees",
            found,
            "vLLM samples with other weights than those that are trained (a server that was restarted, "
            "or another model), or with another precision or chat template",
            "restart the server with the recipe's model and dtype; if the figure stays, "
            "set vllm_importance_sampling_correction: true or lower num_iterations",
        )

    def _still(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        """The best of the first steps changed few of the weights that have a gradient."""
        share = logs.get("weights/changed_share")
        if not isinstance(share, (int, float)) or share >= MOVING or step < WARM:
            return []
        return self._raise(
            "weights-do-not-move",
            f"no step so far changed more than {share:.1%} of the weights that have a gradient (step {step})",
            "a learning rate of zero or far too small, a model or an adapter that is frozen, "
            "or weights in a 16-bit type, which rounds their updates away",
            "look at learning_rate, lr_scheduler_type and warmup_steps; leave dtype out; "
            "with an adapter look at lora_target_modules",
        )

    def _leaks(self, step: int, logs: Mapping[str, Any]) -> list[str]:
        share = logs.get("distill/leaks")
        if not isinstance(share, (int, float)) or share <= LEAKS:
            return []
        return self._raise(
            "context-leaks",
            f"{share:.0%} of the completions speak of a hint or a context that nobody gave the student (step {step})",
            "the teacher mentions its context, and the student has learned to sound like it",
            "ask in the context not to be mentioned, or take form: token with only_where_wrong: true",
        )

    def _for_long(self, name: str, now: bool) -> bool:
        self._runs[name] = self._runs[name] + 1 if now else 0
        return self._runs[name] >= PATIENCE

    def _one_answer(self, step: int) -> list[str]:
        if not self.answers or len(self._said) < ENOUGH:
            return []
        commonest, count = Counter(self._said).most_common(1)[0]
        golds = Counter(self._golds)
        if commonest is None or count < 0.9 * len(self._said) or golds[commonest] >= 0.8 * len(self._golds):
            return []
        right = golds[commonest] / len(self._golds)
        return self._raise(
            "one-answer",
            f"{count} of the last {len(self._said)} sampled answers were {commonest}, "
            f"which is right for {right:.0%} (step {step})",
            "the policy has collapsed to the commonest answer",
            "lower the learning rate or add beta, check that reasoning is not cut off or punished, "
            "and compare with the majority baseline",
        )

    def _reward_without_accuracy(self, step: int) -> list[str]:
        """Between the first evaluation and this one the training reward rose clearly, and accuracy did not."""
        if len(self._evaluations) < 2:
            return []
        (first, _, _, start), (last, _, _, end) = self._evaluations[0], self._evaluations[-1]
        rewards = self._rewards[start:end]
        if len(rewards) < 2 * PATIENCE:
            return []
        early, late = rewards[:PATIENCE], rewards[-PATIENCE:]
        rise = sum(late) / PATIENCE - sum(early) / PATIENCE
        # half of the mean range of the two windows: a rise within it may be chance
        noise = (max(early) - min(early) + max(late) - min(late)) / 4
        if rise <= max(noise, 0.05) or last > first:
            return []
        return self._raise(
            "reward-without-accuracy",
            f"the training reward rose by {rise:.3f} while held-out accuracy went from {first:.3f} to {last:.3f} "
            f"(step {step})",
            "the model is paid for something else than right answers: a shaping term, "
            "a leak in the training rows, or the training rows by heart",
            "look at completions with a high reward and a wrong answer; run ratchet audit; lower the shaping weights",
        )

    def _raise(self, name: str, what: str, cause: str, remedy: str) -> list[str]:
        if name in self.raised:
            return []
        self.raised[name] = f"{what}. Likely cause: {cause}. Remedy: {remedy}."
        return [f"alarm {name}: {self.raised[name]}"]
