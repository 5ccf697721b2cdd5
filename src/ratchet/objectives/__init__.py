"""Objectives: what GRPO minimises, by name. One file each, whose docstring is the definition."""

from ratchet.objectives.aipo import Aipo
from ratchet.objectives.base import Objective
from ratchet.objectives.bnpo import Bnpo
from ratchet.objectives.cispo import Cispo
from ratchet.objectives.dapo import Dapo
from ratchet.objectives.dr_grpo import DrGrpo
from ratchet.objectives.grpo import Grpo
from ratchet.objectives.gspo import Gspo
from ratchet.objectives.luspo import Luspo
from ratchet.objectives.max_rl import MaxRl
from ratchet.objectives.opo import Opo
from ratchet.objectives.rloo import Rloo
from ratchet.objectives.sapo import Sapo
from ratchet.objectives.vespo import Vespo

OBJECTIVES: dict[str, type[Objective]] = {
    kind.name: kind for kind in (Grpo, DrGrpo, Dapo, Bnpo, Cispo, Gspo, Aipo, Rloo, Opo, MaxRl, Sapo, Vespo, Luspo)
}
"""Every objective by the name that a recipe gives it."""
DECIDED = frozenset(key for kind in OBJECTIVES.values() for key in kind().arguments())
"""TRL's keys that an objective decides."""

__all__ = ["DECIDED", "OBJECTIVES", "Objective"]
