"""An objective's own advantages in place of TRL's."""

from typing import Any

import torch

from ratchet.objectives import Objective
from ratchet.training.lean.rows import counted


def totals(trainer: Any, rewards: torch.Tensor) -> torch.Tensor:
    """The weighted sum (N,) of rewards (N, rewards); NaN where none of them applies."""
    total = (rewards * trainer.reward_weights.to(rewards.device)).nansum(1)
    return total.masked_fill(rewards.isnan().all(1), float("nan"))


def take_advantages(trainer: Any, objective: Objective, rewards: torch.Tensor, output: dict[str, Any]) -> None:
    """Replace the advantages of a generation, on this process (B,) and in what TRL logs of all; every process must
    call this.

    Args:
        rewards: of all processes, (N, rewards).
        output: what ``_generate_and_score_completions`` returns.
    """
    lengths = trainer.accelerator.gather(counted(output).sum(1))
    everywhere = objective.advantages(totals(trainer, rewards), lengths, trainer.num_generations).nan_to_num(0.0)
    give_advantages(trainer, everywhere, output)


def own_part(trainer: Any, everywhere: torch.Tensor) -> torch.Tensor:
    """This process's part of what there is of all (N, ...)."""
    own = len(everywhere) // trainer.accelerator.num_processes
    return everywhere[trainer.accelerator.process_index * own :][:own]


def give_advantages(trainer: Any, everywhere: torch.Tensor, output: dict[str, Any]) -> None:
    """Put the advantages (N,) of all processes in the place of TRL's: this process's part into a generation, and all
    of them into what TRL logs."""
    output["advantages"] = own_part(trainer, everywhere).to(output["advantages"])
    logged = trainer._logs["advantages"]
    for _ in range(min(len(logged), len(everywhere))):
        logged.pop()
    logged.extend(everywhere.tolist())
