"""How fast the audit scores, beside TRL's accuracy_reward on the same completions in the same run.

python benchmarks/audit.py                       # on generated problems
python benchmarks/audit.py --data.source FOLDER  # on AQuA-RAT's own rows

Both sides take the very same texts, in turns, on one core; the ratio of their times is what can be trusted, and its
spread over the turns is printed. TRL's function needs math-verify (extra [dev]).
"""

import importlib.util
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from ratchet.audit import RecipeRewards, audit
from ratchet.audit.policies import Knowledge, completions
from ratchet.errors import UserError, command
from ratchet.rewards import REWARDS, RewardTerm
from ratchet.tasks import Row, Task, find_task

TURNS, ROWS = 5, 200
TERMS = [
    RewardTerm(REWARDS["correctness"]),
    RewardTerm(REWARDS["answer_format"], 0.1),
    RewardTerm(REWARDS["overlong"], 0.1),
]


def timed(function: Any, *arguments: Any) -> tuple[float, Any]:
    """Seconds of CPU that a call takes, and what it returns."""
    start = time.process_time()
    result = function(*arguments)
    return time.process_time() - start, result


def texts_of(task: Task, rows: Sequence[Row]) -> list[tuple[Row, str]]:
    """Every policy's completion of every row."""
    known = Knowledge.of(task, rows, 768)
    return [(row, probe.text) for row in rows for probe in completions(task, row, known)]


def compare(task: Task, rows: Sequence[Row]) -> None:
    """Print both speeds and their ratio."""
    from trl.rewards import accuracy_reward

    pairs = texts_of(task, rows)
    messages = [[{"role": "assistant", "content": text}] for _, text in pairs]
    golds = [f"${task.gold(row)}$" for row, _ in pairs]
    sample = range(0, len(pairs), 10)  # TRL's takes long; every tenth text is enough to compare with
    ours, theirs, ratios = [], [], []
    for turn in range(TURNS + 1):
        mine, report = timed(audit, task, rows, RecipeRewards(TERMS, 768), 768, "benchmark")
        count = sum(line.n for line in report.tally.lines.values())
        other, _ = timed(accuracy_reward, [messages[i] for i in sample], [golds[i] for i in sample])
        if turn:  # the first turn warms both up
            ours.append(mine / count * 1e6)
            theirs.append(other / len(sample) * 1e6)
            ratios.append(theirs[-1] / ours[-1])
    policies = len(pairs) // len(rows)
    own, other = statistics.median(ours), statistics.median(theirs)
    spread = f"[{min(ratios):.1f}, {max(ratios):.1f}]"
    print(f"{task.label}: {len(rows)} rows, {len(pairs)} completions of {policies} policies, {TURNS} turns")
    show("audit (completion written, graded, three rewards, added up)", own, f"us each, a million in {own:.0f} s")
    show("TRL accuracy_reward (math-verify)", other, "us each")
    show("TRL / audit", statistics.median(ratios), spread)


def show(what: str, value: float, unit: str) -> None:
    """Print a line of the table."""
    print(f"  {what:<60} {value:7.1f} {unit}")


@command
def main() -> None:
    """Compare on generated problems, or on the rows of the folder given."""
    words = sys.argv[1:]
    if words and (len(words) != 2 or words[0] != "--data.source"):
        raise UserError("the only option is --data.source FOLDER")
    if importlib.util.find_spec("math_verify") is None:
        raise UserError('math-verify, which TRL\'s accuracy_reward needs, is not installed: pip install -e ".[dev]"')
    task = find_task("aquarat")(source=words[1] if words else "generated")
    compare(task, task.load("validation").rows[:ROWS])


if __name__ == "__main__":
    main()
