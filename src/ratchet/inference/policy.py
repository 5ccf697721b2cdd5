"""A trained model with its task: ask it, and judge what it answers with the grader and the rewards it was trained on.

from ratchet.inference.policy import Policy

policy = Policy.load("outputs/demo")
row = policy.rows("test")[0]
for text in policy.generate(policy.task.messages(row), n=4):
    scored = policy.score(text, row)
    print(scored.reward, scored.grade.answer, scored.rewards)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.inference.completion import Completion, Sampling
from ratchet.models import ChatFormat, chat_format, load_for_evaluation, locate
from ratchet.recipe import Recipe, load_recipe, recipe_from_values
from ratchet.recipe.precision import compute_dtype
from ratchet.rewards import RewardTerm
from ratchet.rewards.functions import correctness
from ratchet.rewards.scoring import ScoringRequest, surely, weighted
from ratchet.tasks import find_task
from ratchet.tasks.base import SPLITS, Grade, Message, Row, Task


@dataclass(frozen=True)
class Scored:
    """What a completion is worth."""

    reward: float
    """The weighted sum of the rewards, which is what GRPO sees."""
    grade: Grade
    rewards: Mapping[str, float] = field(default_factory=dict)
    """Each reward, unweighted, by name."""


@dataclass
class Policy:
    """A model, how it is written to, and the recipe that says what it is asked and what an answer is worth."""

    recipe: Recipe
    model: Any
    chat: ChatFormat

    @classmethod
    def load(
        cls, name: str, task: str | None = None, overrides: Sequence[tuple[str, str]] = (), device: str | None = None
    ) -> "Policy":
        """Load a run's folder, one of its checkpoints, or any other model together with a task.

        Args:
            task: a task's name or Python file; by default that of the recipe which lies in the model's folder.
            overrides: recipe keys and values as on a command line, for instance [("data.source", "FOLDER")].
            device: where the model goes; None: a GPU where there is one.

        Raises:
            UserError: for a model that cannot be loaded, or has no recipe where no task is named.
        """
        import torch

        recipe, path = recipe_of(name, task, overrides), locate(name)
        chat = chat_format(recipe.values, path)
        found = device or (str(torch.accelerator.current_accelerator()) if torch.accelerator.is_available() else "cpu")
        return cls(recipe, load_for_evaluation(path, compute_dtype(recipe), found, recipe.values), chat)

    @property
    def task(self) -> Task:
        """What is asked, and the grader."""
        return self.recipe.task

    def rows(self, split: str = "validation") -> list[Row]:
        """The task's rows."""
        if split not in SPLITS:
            near = get_close_matches(split, SPLITS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UserError(f"--split: there is no split {split}; choose from {', '.join(SPLITS)}{hint}")
        return self.task.load(split).rows

    def generate(
        self,
        messages: Sequence[Message],
        n: int = 1,
        temperature: float = 1.0,
        max_new_tokens: int | None = None,
        seed: int = 0,
    ) -> list[str]:
        """Answer a conversation ``n`` times; with ``temperature=0`` greedily, once."""
        if temperature == 0 and n > 1:
            raise ValueError(f"greedy answers are all the same: n = {n} wants a temperature above 0")
        return [
            completion.text
            for completion in self.complete(messages, self.sampling(n, temperature, max_new_tokens, seed))
        ]

    def sampling(
        self, n: int = 1, temperature: float = 0.0, max_new_tokens: int | None = None, seed: int = 0
    ) -> Sampling:
        """How ``complete`` draws; answers may be as long as in training."""
        return Sampling(max_new_tokens or self.recipe.answer_limit, temperature, samples=n, seed=seed)

    def complete(self, messages: Sequence[Message], sampling: Sampling) -> list[Completion]:
        """Answer a conversation, with the number of tokens and whether the limit cut them off."""
        from ratchet.inference.local import generator

        (found,), _ = generator(self.model, self.chat)([list(messages)], sampling)
        return found

    def stream(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Answer a conversation once, and print the answer while it is written."""
        from ratchet.inference.local import stream

        return stream(self.model, self.chat, messages, sampling)

    def score(self, completion: str, row: Row, tokens: int | None = None) -> Scored:
        """Grade and reward a completion, exactly as training and evaluation do.

        Args:
            tokens: its length, for rewards that depend on it.

        Raises:
            UserError: where the grader or a reward fails on it.
        """
        terms = self.recipe.rewards or [RewardTerm(correctness)]  # SFT has none
        request = ScoringRequest(completion, row, tokens, self.recipe.values.get("max_completion_length"))
        found = surely(self.task, terms, request)
        rewards = {term.name: value for term, value in zip(terms, found.rewards, strict=True)}
        return Scored(weighted(terms, found), found.grade, rewards)


def recipe_of(name: str, task: str | None, overrides: Sequence[tuple[str, str]] = ()) -> Recipe:
    """The recipe that a model was trained by, or one for a task that is named.

    Raises:
        UserError: where there is none and no task is named.
    """
    folder = Path(locate(name))
    own = next((path for path in (folder / "recipe.yaml", folder.parent / "recipe.yaml") if path.is_file()), None)
    if own is not None and task is None:
        return load_recipe(own, overrides, to_train=False)
    if task is None:
        raise UserError(f"{name} has no recipe.yaml that says what it was trained on; name a task: --task aquarat")
    find_task(task)  # an unknown one is said alone, without the heading of findings
    rewards = {"correctness": {"weight": 1.0}}
    values = {"trainer": "grpo", "task": task, "model_name_or_path": name, "rewards": rewards}
    return recipe_from_values(values, f"--task {task}", overrides, to_train=False)
