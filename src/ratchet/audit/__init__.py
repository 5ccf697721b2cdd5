"""Can this reward be won without knowing anything? Asked before a GPU is rented, with no model at all.

``audit`` lets policies that know nothing, policies that know the answer, and hacks answer a recipe's rows, and turns
what they earn into findings. ``gate`` asks it at the start of a training run, ``alarms`` watches during the run.
"""

import time
from collections.abc import Callable, Sequence

from ratchet.audit.core import tally
from ratchet.audit.findings import Finding, findings
from ratchet.audit.report import Report
from ratchet.audit.scoring import ForeignReward, RecipeRewards, Scorer, load_function
from ratchet.recipe.groups import Audit
from ratchet.tasks.base import Row, Task

__all__ = ["Finding", "ForeignReward", "RecipeRewards", "Report", "audit", "load_function"]


def audit(
    task: Task,
    rows: Sequence[Row],
    scorer: Scorer,
    limit: int | None,
    title: str,
    settings: Audit | None = None,
    beat: Callable[[str], None] = lambda doing: None,
) -> Report:
    """Audit a reward on rows.

    Args:
        scorer: ``RecipeRewards`` or ``ForeignReward``.
        limit: longest completion in tokens, None for no limit.
        title: for the reader.
        settings: thresholds and accepted findings, the defaults without.
        beat: is told what is being done, each time before code of a task or a reward is called.

    Raises:
        UserError: for code of the task or of a reward that raises or returns what it must not.
    """
    started = time.perf_counter()
    settings = settings or Audit()
    counted = tally(task, rows, scorer, limit, settings.seconds, settings.timeout, beat)
    found = findings(counted, settings)
    return Report(title, task.label, counted, found, settings, seconds=time.perf_counter() - started)
