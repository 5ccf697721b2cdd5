"""What a teacher does in a step of GRPO's trainer: it is shown the rows with the context, scores what the student
wrote, and changes advantages or the loss."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback
from trl.trainer.utils import pad

from ratchet.diagnostics.initial_model import is_split
from ratchet.evaluation.evaluate import Result
from ratchet.recipe.distillation import DIVERGENCES
from ratchet.recipe.groups import Distillation
from ratchet.tasks import packing
from ratchet.tasks.base import Row, completion_text
from ratchet.training.advantages import give_advantages, own_part, totals
from ratchet.training.distillation import measure, terms
from ratchet.training.distillation.context import Context, told
from ratchet.training.distillation.divergence import Divergence
from ratchet.training.distillation.teachers import LocalTeacher, Student, Teacher
from ratchet.training.distillation.top_k import TopK
from ratchet.training.lean.rows import counted, joined
from ratchet.training.prepare import Run

Measured = dict[str, Result]
LOOKED = 8  # completions whose likeliest tokens are compared
LEAK = re.compile(
    r"\b(?:according to|as (?:said|given|stated) in|from|in|by|use|using|follow\w*) (?:the|your|my) "
    r"(?:given |provided )?(?:hint|system (?:prompt|message)|worked examples?)\b"
    r"|\b(?:according to the|(?:the|your) (?:given|provided)) context\b|\b(?:in|of) the system (?:prompt|message)\b"
    r"|\b(?:the|your) (?:hint|context|system (?:prompt|message)) (?:says?|said|tells?|told|gives?|states?)\b",
    re.IGNORECASE,
)
"""A student that speaks of a context has learned to speak as if it had one."""


class Distiller(TrainerCallback):
    """Adds a teacher to a trainer's steps.

    Args:
        trainer: TRL's GRPO trainer.
        teacher: scores, or has the weights that are compared with or sampled from.
        context: of a row; None where the teacher reads what the student reads.
        measured: evaluates student and teacher (``measure.measured``).
    """

    def __init__(
        self, trainer: Any, run: Run, teacher: Teacher, context: Context | None, measured: Callable[[], Measured]
    ):
        self.trainer, self.run, self.teacher, self.context, self._measure = trainer, run, teacher, context, measured
        self.settings, self.accelerator = run.recipe.distillation, trainer.accelerator
        self.rows: Sequence[Mapping[str, Any]] = ()
        """Of the generation under way, as the trainer has them."""
        self.right = torch.zeros(0)
        """Of the newest generation of all processes (N,): whether each completion is right."""
        self.measured: dict[str, dict[str, Any]] = {}
        """Who was measured before the first step -> accuracy with its interval."""
        self.divergence = None
        if self.settings.form in DIVERGENCES:
            self.divergence = _divergence(trainer, teacher, self.settings)
        self.every = run.recipe.diagnostics.every if run.recipe.diagnostics.mode == "on" else 0
        self.looks = None
        if self.every and isinstance(teacher, LocalTeacher) and not is_split(trainer.accelerator):
            self.looks = self.divergence or Divergence(trainer, teacher, DIVERGENCES[0])

    # The run.

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Measure student and teacher, and stop where there is nothing to learn; a resumed run has done so."""
        say = self.accelerator.print
        say(f"  {'teacher':<11} {self.teacher.said}, form {self.settings.form}", flush=True)
        if state.global_step or not self.run.recipe.task.graded or not self.settings.measure:
            return
        found = self._measure()
        for line in measure.lines(found):
            say(f"  {'before':<11} {line}", flush=True)
        self.measured = {name: result.accuracy.as_dict() for name, result in found.items()}
        if self.settings.must_be_better:
            measure.refuse_worse(found)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """The student has learned."""
        self.teacher.learned()

    def state_dict(self) -> dict[str, Any]:
        """What was measured, and what changes in the teacher."""
        return {"measured": self.measured, "teacher": self.teacher.state_dict()}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Resume from what ``state_dict`` returned."""
        self.measured = dict(found["measured"])
        self.teacher.load_state_dict(found["teacher"])

    # A generation.

    def told_prompts(self) -> list[Any]:
        """The prompts of the generation under way as the teacher is given them."""
        if self.context is None:
            return [row["prompt"] for row in self.rows]
        made: dict[str, Any] = {}
        found = []
        for given in self.rows:
            packed = given[packing.COLUMN]
            if packed not in made:
                row: Row = packing.unpack(packed)
                messages = told(self.run.recipe.task.messages(row), self.context(row))
                made[packed] = self.run.chat.messages(messages)
            found.append(made[packed])
        return found

    @property
    def samples(self) -> bool:
        """Whether the teacher writes what the student imitates."""
        return self.settings.form == "teacher_samples"

    @contextmanager
    def writing(self) -> Iterator[list[list[int]]]:
        """While the block lasts, the trainer generates with the teacher; gives the teacher's prompts as tokens."""
        ids, _, _ = self.trainer._tokenize_prompts(self.told_prompts())
        with self.teacher.model() as model, self.trainer.generating_with(model):
            yield ids

    def take(self, output: dict[str, Any], rewards: torch.Tensor) -> None:
        """Let the teacher look at a generation; changes its advantages, or adds what the loss needs. Every process
        must call this.

        Args:
            output: what ``_generate_and_score_completions`` returns.
            rewards: of all processes, (N, rewards).
        """
        if self.samples:
            self._imitate(output)
            return
        prompts, prompt_mask = self._told_tensors(output)
        if self.looks is not None and self.trainer.state.global_step % self.every == 0:
            self._look(output, prompts, prompt_mask)
        if self.divergence is not None:
            output["teacher_prompt_ids"], output["teacher_prompt_mask"] = prompts, prompt_mask
            if isinstance(self.divergence, TopK):
                output["teacher_top_ids"], output["teacher_top_logps"] = self.divergence.top(output)
            output["advantages"] = self.settings.adv_tau * output["advantages"]
            return
        mask = counted(output).float()
        kept, asked = mask.shape[1], {**output, "teacher_prompt_ids": prompts, "teacher_prompt_mask": prompt_mask}
        student, teacher = self._student(output), self.teacher.scored(*joined(asked, "teacher_prompt"), kept)
        settings = self.settings
        term = terms.token_term(student, teacher, mask, settings.teacher_tau, settings.student_tau)
        if settings.only_where_wrong:
            gate = own_part(self.trainer, terms.wrong_share(self.right, self.trainer.num_generations))
            term = term * gate.to(term.device)[:, None]
        if settings.form == "token":
            task = settings.adv_tau * output["advantages"]
            output["advantages"] = (task.reshape(len(term), -1) + term) * mask
            parts = (task.reshape(len(term), -1).abs() * mask).sum(), term.abs().sum()
        else:
            parts = self._by_sequence(output, rewards, term, mask)
        self._figures(student, teacher, mask, parts)

    def _by_sequence(
        self, output: dict[str, Any], rewards: torch.Tensor, term: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        own = terms.sequence_term(term, mask, self.settings.by_length)
        summed = self.accelerator.gather(own)
        group = self.trainer.num_generations
        reward = self.settings.adv_tau * totals(self.trainer, rewards).to(summed.device)
        everywhere = terms.less_group_mean(reward + summed, group).nan_to_num(0.0)
        give_advantages(self.trainer, everywhere, output)
        parts = (terms.less_group_mean(value, group).nan_to_num(0.0).abs() for value in (reward, summed))
        return tuple(own_part(self.trainer, part).sum() for part in parts)

    def _imitate(self, output: dict[str, Any]) -> None:
        """Every sample of the teacher's counts the same; or those that are right, and no other."""
        kept = self.right.float() if self.settings.only_where_wrong else torch.ones_like(self.right).float()
        everywhere = self.settings.teacher_tau * kept
        give_advantages(self.trainer, everywhere, output)
        self._log({"imitated": (kept.sum(), kept.numel())})

    # Scoring.

    def _told_tensors(self, output: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """The teacher's prompts (B, P), padded on the left, and their mask."""
        if self.context is None:
            return output["prompt_ids"], output["prompt_mask"]
        ids, _, _ = self.trainer._tokenize_prompts(self.told_prompts())
        tensors = [torch.tensor(row) for row in ids]
        device, end = output["prompt_ids"].device, self.run.tokenizer.pad_token_id
        padded = pad(tensors, padding_value=end, padding_side="left")
        mask = pad([torch.ones_like(row) for row in tensors], padding_value=0, padding_side="left")
        return padded.to(device), mask.to(device)

    def _student(self, output: dict[str, Any]) -> torch.Tensor:
        """The student's log-probabilities of its own tokens (B, C), which TRL may have computed already."""
        for name in ("old_per_token_logps", "sampling_per_token_logps"):
            if output.get(name) is not None:
                return output[name]
        return Student(self.trainer, live=True).scored(*joined(output), output["completion_ids"].shape[1])

    def _look(self, output: dict[str, Any], prompts: torch.Tensor, prompt_mask: torch.Tensor) -> None:
        """How often student and teacher would write the same next token, on a few completions."""
        names = ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")
        few = {name: output[name][:LOOKED] for name in names}
        few |= {"teacher_prompt_ids": prompts[:LOOKED], "teacher_prompt_mask": prompt_mask[:LOOKED]}
        self._log({"agreement": self.looks.agreement(few, counted(output)[:LOOKED])})

    # The loss.

    def loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """The divergence's part of the loss of a micro-batch, a mean over the tokens of the step (as TRL's dapo)."""
        trainer = self.trainer
        window = trainer.current_gradient_accumulation_steps / trainer.args.steps_per_generation
        tokens = inputs["num_items_in_batch"].clamp(min=1.0) / self.accelerator.num_processes * window
        loss, mean = self.divergence.loss(model, inputs, tokens)
        self._log({self.settings.form: (mean, 1)})
        return self.settings.teacher_tau * loss

    # Figures.

    def heard(self, completions: Sequence[Any], right: Sequence[bool]) -> None:
        """Take this process's completions, and which of them are right."""
        device = self.accelerator.device
        self.right = self.accelerator.gather(torch.tensor(right, device=device, dtype=torch.float32))
        leaks = sum(LEAK.search(completion_text(completion)) is not None for completion in completions)
        self._log({"leaks": (leaks, len(completions))})

    def _figures(
        self,
        student: torch.Tensor,
        teacher: torch.Tensor,
        mask: torch.Tensor,
        parts: tuple[torch.Tensor, torch.Tensor],
    ) -> None:
        apart = (student - teacher) * mask
        quarters = zip(*terms.by_quarter(apart, mask), strict=True)
        task, of_teacher = parts
        self._log(
            {
                "kl": (apart.sum(), mask.sum()),
                "teacher_logp": ((teacher * mask).sum(), mask.sum()),
                **{f"kl_quarter_{number}": quarter for number, quarter in enumerate(quarters, 1)},
                "teacher_share": (of_teacher, task + of_teacher),
            }
        )

    def _log(self, figures: Mapping[str, tuple[Any, Any]]) -> None:
        """Take means (total, count) over all processes for the next log, in one exchange; every process must call
        this."""
        device = self.accelerator.device
        pairs = [torch.as_tensor(value, device=device).float() for pair in figures.values() for value in pair]
        sums = self.accelerator.reduce(torch.stack(pairs), reduction="sum").tolist()
        for name, total, count in zip(figures, sums[::2], sums[1::2], strict=True):
            if count:
                self.trainer._metrics["train"][f"distill/{name}"].append(total / count)


def _divergence(trainer: Any, teacher: Teacher, settings: Distillation) -> Divergence:
    if settings.form == "top_k":
        return TopK(trainer, teacher, settings.top_k)
    return Divergence(trainer, teacher, settings.form)
