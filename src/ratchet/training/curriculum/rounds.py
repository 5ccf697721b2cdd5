"""Rounds of sampling: groups whose rewards are all alike are sampled anew, from other prompts (DAPO's dynamic
sampling, arXiv 2503.14476, section 3.2, with a bound)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ratchet.training.curriculum.again import one_value_each, replaced, spreads
from ratchet.training.curriculum.curriculum import CurriculumCallback
from ratchet.training.curriculum.sampler import Outcome
from ratchet.training.lean.rows import Batch, counted


def outcomes(trainer: Any, at: Sequence[int], right: Sequence[bool], rewards: torch.Tensor) -> list[Outcome | None]:
    """What the groups of all processes earned, those of the first process first; None where nothing was scored.

    Args:
        at: places of this process's prompts, one for each completion.
        right: whether each of these was right.
        rewards: of all processes' completions (N, F), as TRL has gathered them.
    """
    device, size = trainer.accelerator.device, trainer.num_generations
    own = torch.tensor([at, right], dtype=torch.long, device=device).T.contiguous()
    place, correct = trainer.accelerator.gather(own).view(-1, size, 2).unbind(-1)
    found = spreads(rewards, trainer.reward_weights.to(rewards.device), size)
    shares = correct.float().mean(1).tolist()
    return [
        None if spread is None else Outcome(number, spread, share)
        for number, spread, share in zip(place[:, 0].tolist(), found, shares, strict=True)
    ]


def with_spread(
    trainer: Any, curriculum: CurriculumCallback, inputs: list[dict[str, Any]], sample: Callable[[Any], Batch]
) -> Batch:
    """A generation of this process, in which groups without spread have been sampled anew as often as the settings
    allow; every process must call this.

    Args:
        trainer: TRL's ``GRPOTrainer``.
        inputs: rows, each as often as a group has completions.
        sample: completions for rows, scored; ``curriculum`` hears of them meanwhile.
    """
    size, accelerator = trainer.num_generations, trainer.accelerator
    processes, process = accelerator.num_processes, accelerator.process_index
    metrics = trainer._metrics["train"]
    before = {name: len(values) for name, values in metrics.items()}
    batch, rows = sample(inputs), [len(inputs)]
    if not curriculum.settings.resample:
        return batch
    flat = _flat(curriculum.newest, processes)
    for _ in range(curriculum.settings.resample):
        count = max(map(len, flat))  # every process samples alike, and some more than they need
        if not count:
            break
        drawn = curriculum.sampler.draw(count * processes)
        own = [trainer.train_dataset[place] for place in drawn[process * count : (process + 1) * count]]
        fresh = sample([row for row in own for _ in range(size)])
        rows.append(count * size)
        flat_again = _flat(curriculum.newest, processes)
        useful = [[i for i in range(count) if i not in again] for again in flat_again]
        places = list(zip(flat[process], useful[process], strict=False))
        batch = replaced(batch, fresh, places, size, trainer.processing_class.pad_token_id)
        flat = [left[len(new) :] for left, new in zip(flat, useful, strict=True)]
    batch["num_items_in_batch"] = accelerator.gather(counted(batch).sum()).sum()
    one_value_each(metrics, before, rows)
    groups = len(inputs) // size * processes
    curriculum.trained_on(groups, sum(map(len, flat)), sum(rows[1:]) // size * processes)
    return batch


def _flat(found: Sequence[Outcome | None], processes: int) -> list[list[int]]:
    """For each process the numbers of its groups that have no spread."""
    each = len(found) // processes
    parts = (found[start : start + each] for start in range(0, len(found), each))
    return [[i for i, outcome in enumerate(part) if outcome is None or not outcome.spread] for part in parts]
