"""Whose weights teach: the model as training began, the student's own, an average of them, another model, a server.

A frozen model is loaded from where the run began, never from a checkpoint, so that it is the same after a resume.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from trl.models.utils import prepare_deepspeed, prepare_fsdp
from trl.trainer.utils import add_fused_lm_head, use_adapter

from ratchet.diagnostics.initial_model import is_split, plain
from ratchet.errors import UserError
from ratchet.inference.openai_server import Server, connect, with_model
from ratchet.models import locate
from ratchet.models.adapters import REFERENCE
from ratchet.models.folder import refuse_unfitting
from ratchet.recipe.distillation import is_server, server_base
from ratchet.training.arguments import model_settings
from ratchet.training.prepare import Run

AT_ONCE, REQUESTS = 16, 4  # sequences of a request to a server, and requests at a time


class Teacher(ABC):
    """Scores tokens that somebody has written."""

    said: str
    """Who it is, for the run's first lines."""
    wrapped: Any = None
    """Its model as the accelerator has it, if it is in this process; perhaps the student's own."""

    @abstractmethod
    def scored(self, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> torch.Tensor:
        """Log-probabilities (B, ``kept``) of the last tokens of rows (B, W), without gradient, at the temperature of
        sampling."""

    def learned(self) -> None:  # noqa: B027 - most teachers do nothing
        """The student has taken a step."""

    def state_dict(self) -> dict[str, Any]:
        """What changes in it while the run goes on."""
        return {}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:  # noqa: B027
        """Resume from what ``state_dict`` returned."""


class LocalTeacher(Teacher):
    """A model in this process.

    Args:
        trainer: of the student; TRL's GRPO trainer.
    """

    def __init__(self, trainer: Any):
        self.trainer = trainer

    @contextmanager
    def model(self) -> Iterator[Any]:
        """The model to call, as the accelerator has wrapped it, without gradients and without dropout."""
        raise NotImplementedError

    def scored(self, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> torch.Tensor:
        """By TRL's own scoring, in micro-batches."""
        with self.model() as model:
            return self.trainer._get_per_token_logps_and_entropies(
                model, ids, mask, kept, batch_size=self.trainer.args.per_device_train_batch_size
            )[0]


class Student(LocalTeacher):
    """The student's present weights (``live``), or with its adapter switched off (``start`` with LoRA)."""

    def __init__(self, trainer: Any, live: bool):
        super().__init__(trainer)
        self.live, self.wrapped = live, trainer.model
        self.said = "the student itself" if live else "the model as training began (the adapter switched off)"

    @contextmanager
    def model(self) -> Iterator[Any]:
        """The student's model, perhaps without what it has learned."""
        student = self.trainer.model
        training = student.training
        student.eval()
        try:
            with torch.no_grad():
                if self.live:
                    yield student
                    return
                wrapped = self.trainer.accelerator.unwrap_model(student)
                # an adapter that is trained further is kept as it was, under this name
                with use_adapter(wrapped, REFERENCE if REFERENCE in wrapped.peft_config else None):
                    yield student
        finally:
            student.train(training)


class Frozen(LocalTeacher):
    """A model of its own beside the student.

    Args:
        model: wrapped by the accelerator; it never changes.
        alike: whether it is built as the student is, so that its passes can be cut as the student's are.
    """

    def __init__(self, trainer: Any, model: Any, said: str, alike: bool = True):
        super().__init__(trainer)
        self.kept, self.said, self.alike = model, said, alike
        self.wrapped = model

    @contextmanager
    def model(self) -> Iterator[Any]:
        """The model."""
        with torch.no_grad(), nullcontext() if self.alike else self.trainer.passes_as_they_come():
            yield self.kept


class Average(Frozen):
    """Weights that follow the student's: after each step a part of the way.

    Args:
        follow: that part.
    """

    def __init__(self, trainer: Any, model: Any, follow: float):
        super().__init__(trainer, model, f"an average of the student's weights ({follow:g} of the way each step)")
        self.follow = follow

    @torch.no_grad()
    def learned(self) -> None:
        """Follow."""
        student = self.trainer.accelerator.unwrap_model(self.trainer.model)
        for own, other in zip(self.kept.parameters(), student.parameters(), strict=True):
            own.lerp_(other.to(own.dtype), self.follow)

    def state_dict(self) -> dict[str, Any]:
        """The weights."""
        return {"weights": [weight.detach().clone() for weight in self.kept.parameters()]}

    def load_state_dict(self, found: Mapping[str, Any]) -> None:
        """Put the weights back; of a run with another teacher there are none."""
        with torch.no_grad():
            for own, kept in zip(self.kept.parameters(), found.get("weights", []), strict=False):
                own.copy_(kept)


class ServerTeacher(Teacher):
    """A vLLM server that scores token ids (``prompt_logprobs`` of its completions), always at temperature 1.

    Raises:
        UserError: where it does not answer.
    """

    def __init__(self, url: str, model: str, key: str):
        self.server = with_model(Server(server_base(url), model, key=key), "distillation.model")
        self.client, self.said = connect(self.server), f"{self.server.model} behind {self.server.url}"

    def scored(self, ids: torch.Tensor, mask: torch.Tensor, kept: int) -> torch.Tensor:
        """Some requests at a time."""
        scores = torch.zeros(len(ids), kept)
        for i, (written, entries) in enumerate(self._of_completions(ids, mask, kept, 0)):
            values = [_of_token(entry, token) for token, entry in zip(written, entries, strict=True)]
            scores[i, : len(values)] = torch.tensor(values)
        if not scores.isfinite().all():
            raise UserError(f"distillation.teacher: {self.server.url} leaves tokens without a log-probability")
        return scores.to(ids.device)

    def top(self, ids: torch.Tensor, mask: torch.Tensor, kept: int, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The ``k`` likeliest tokens (B, ``kept``, k) at each position of the completions, and their
        log-probabilities."""
        tokens, logps = torch.zeros(len(ids), kept, k, dtype=torch.long), torch.zeros(len(ids), kept, k)
        for i, (_, entries) in enumerate(self._of_completions(ids, mask, kept, k)):
            for at, entry in enumerate(entries):
                best = sorted(entry.items(), key=lambda pair: pair[1]["rank"])[:k]
                if len(best) < k:
                    raise UserError(
                        f"distillation.top_k: {self.server.url} gives {len(best)} of {k} tokens; vllm serve gives 20 "
                        "at most, and more with --max-logprobs"
                    )
                tokens[i, at] = torch.tensor([int(token) for token, _ in best])
                logps[i, at] = torch.tensor([float(value["logprob"]) for _, value in best])
        return tokens.to(ids.device), logps.to(ids.device)

    def _of_completions(
        self, ids: torch.Tensor, mask: torch.Tensor, kept: int, k: int
    ) -> list[tuple[list[int], list[Any]]]:
        """Of each row the completion's tokens, and what the server says of each."""
        begins = mask[:, : ids.shape[1] - kept].sum(1).tolist()
        sequences = [row[shown.bool()].tolist() for row, shown in zip(ids, mask, strict=True)]
        parts = [sequences[i : i + AT_ONCE] for i in range(0, len(sequences), AT_ONCE)]
        with ThreadPoolExecutor(REQUESTS) as pool:
            found = [entries for part in pool.map(lambda part: self._asked(part, k), parts) for entries in part]
        return [(one[begin:], of[begin:]) for one, of, begin in zip(sequences, found, begins, strict=True)]

    def _asked(self, sequences: list[list[int]], k: int) -> list[list[Any]]:
        """For each sequence what the server says of each of its tokens, and of the ``k`` likeliest in its place."""
        from openai import OpenAIError  # which takes a second to import

        try:
            answer = self.client.completions.create(
                model=self.server.model,
                prompt=sequences,
                max_tokens=1,
                temperature=1.0,
                extra_body={"prompt_logprobs": k},
            )
            found = [choice.model_extra["prompt_logprobs"] for choice in answer.choices]
        except (OpenAIError, KeyError, TypeError) as error:
            said = " ".join(str(error).split())[:200]
            raise UserError(
                f"distillation.teacher: {self.server.url} scores no token ids, as a vLLM server does with its "
                f"defaults: {said}"
            ) from None
        if len(found) != len(sequences) or any(len(a) != len(b) for a, b in zip(found, sequences, strict=True)):
            raise UserError(f"distillation.teacher: {self.server.url} scored other tokens than it was given")
        return found


def _of_token(entry: Mapping[str, Any] | None, token: int) -> float:
    """The log-probability of a token, looked up by its number; not a number where it is not there."""
    value = (entry or {}).get(str(token))
    return float("nan") if value is None else float(value["logprob"])


def teacher_of(trainer: Any, run: Run) -> Teacher:
    """The recipe's teacher.

    Raises:
        UserError: where it cannot be loaded, or does not answer.
    """
    settings = run.recipe.distillation
    if is_server(settings.teacher):
        return ServerTeacher(settings.teacher, settings.model, settings.key)
    if settings.teacher == "live":
        return Student(trainer, live=True)
    adapter = hasattr(trainer.model, "peft_config")
    if settings.teacher == "start":
        if adapter:
            return Student(trainer, live=False)
        if trainer.ref_model is not None and not trainer.args.sync_ref_model:
            return Frozen(trainer, trainer.ref_model, "the model as training began (the reference model)")
        return Frozen(trainer, _loaded(trainer, run, run.model_path), "the model as training began")
    if settings.teacher == "average":
        if is_split(trainer.accelerator):
            raise UserError(
                "distillation.teacher: average needs whole weights on each process; ZeRO-3 and FSDP split them"
            )
        return Average(trainer, _loaded(trainer, run, run.model_path, whole=True), settings.follow)
    model = _loaded(trainer, run, locate(settings.teacher))
    alike = type(plain(model, trainer.accelerator)) is type(plain(trainer.model, trainer.accelerator))
    return Frozen(trainer, model, settings.teacher, alike)


def _loaded(trainer: Any, run: Run, path: str, whole: bool = False) -> Any:
    """A frozen model that scores as TRL's trainers do, prepared for these processes.

    Args:
        whole: whether every process must hold all of it.
    """
    settings = {key: value for key, value in model_settings(run).items() if key != "use_cache"}
    model, info = AutoModelForCausalLM.from_pretrained(path, output_loading_info=True, **settings)
    refuse_unfitting(path, info)
    model = model.eval().requires_grad_(False)
    add_fused_lm_head(model, temperature=trainer.temperature, outputs=("log_probs", "entropy"))
    if trainer.is_deepspeed_enabled and not whole:
        return prepare_deepspeed(model, trainer.accelerator)
    if trainer.is_fsdp_enabled:
        return prepare_fsdp(model, trainer.accelerator)
    return model.to(trainer.accelerator.device)
