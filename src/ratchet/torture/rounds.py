"""Run rounds of faults, and print a table of what became of the runs."""

import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ratchet.errors import UserError
from ratchet.torture.compare import differences
from ratchet.torture.faults import FAULTS, TASK, Fault, poison
from ratchet.torture.processes import Training

_RESUMED = re.compile(r"after step \d+, from |is finished")
"""What a run prints that found its checkpoint, or had ended already."""
# Rollouts are trained on for several steps, logs cover three, evaluations five: checkpoints fall between all of these.
RECIPE = """
extends: {debug}
task: torture_task.py
rewards: {{correctness: {{weight: 1.0}}}}
data: {{source: generated, instruction: "", generated: {{train: 40, validation: 16}}}}
audit: off
report: off
output_dir: {output}
max_steps: {steps}
num_iterations: 2
steps_per_generation: 2
per_device_train_batch_size: {batch}
logging_steps: 3
eval_strategy: steps
eval_steps: 5
evaluation: {{max_rows: 8}}
diagnostics: {{every: 4}}
save_strategy: steps
save_steps: 1
save_total_limit: 2
checkpointing: {{wait_for_space: 1}}
faults: {{reward_timeout: 3, max_bad_steps: 1, hang_timeout: 8}}
"""


@dataclass
class Tally:
    """What became of the rounds of a fault."""

    injected: int = 0
    """How often it struck."""
    resumed: int = 0
    """How often the run resumed afterwards, or was not disturbed."""
    identical: int = 0
    """How often the numbers at the end were those of the run without faults."""
    lost: list[float] = field(default_factory=list)
    """Seconds from a fault until training was where it had been."""
    wrong: list[str] = field(default_factory=list)


class Bench:
    """The place where runs are made and hurt, and the run without faults that they are compared with.

    Args:
        root: the repository.
        place: an empty folder.
        processes: of each run.
        draw: where all that is random comes from.
        steps: optimiser steps of each run.
    """

    def __init__(self, root: Path, place: Path, processes: int, draw: Random, steps: int):
        self.root, self.place, self.processes, self.draw, self.steps = root, place, processes, draw, steps
        self.whole = place / "whole/disk/out"
        training = self._training(place / "whole", self.whole)
        if training.wait(600) != 0:
            raise UserError(f"the run without faults failed:\n{training.text()[-2000:]}")

    def _training(self, folder: Path, output: Path) -> Training:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "torture_task.py").write_text(TASK, encoding="utf-8")
        debug = self.root / "recipes/debug/grpo.yaml"
        batch = 16 // self.processes  # the same for all of them together, so that the numbers are comparable
        text = RECIPE.format(debug=debug, output=output.relative_to(folder), steps=self.steps, batch=batch)
        (folder / "torture.yaml").write_text(text, encoding="utf-8")
        return Training(folder, [str(self.root / "scripts/grpo.py"), "torture.yaml"], self.processes, poison)

    def torture(self, fault: Fault, rounds: int) -> Tally:
        """Hurt runs with one fault until it has struck so often; compare each at its end with the one left alone."""
        tally, number = Tally(), 0
        while tally.injected < rounds:
            number += 1
            folder = self.place / f"{fault.name.replace(' ', '-').replace(',', '')}-{number}"
            make_disk = _small_disk if fault.small_disk else _plain_folder
            with make_disk(folder / "disk") as disk:
                struck = self._one_run(fault, folder, disk / "out", rounds - tally.injected, tally)
                found, _ = differences(self.whole, disk / "out")
            tally.identical += struck if not found else 0
            tally.wrong += [f"{folder.name}: {text}" for text in found[:3]]
            if not found:  # a run that went wrong stays, to be looked at
                shutil.rmtree(folder)
        return tally

    def _one_run(self, fault: Fault, folder: Path, output: Path, most: int, tally: Tally) -> int:
        """One run from its beginning to its end, struck at most so often; returns how often it was."""
        struck, since, reached = 0, 0.0, 0
        for _ in range(200):
            training = self._training(folder, output)
            training.wait_until(lambda training=training: training.step() > 0)
            if since:
                training.wait_until(lambda training=training, reached=reached: training.step() >= reached)
                tally.lost.append(time.monotonic() - since)
                tally.resumed += bool(_RESUMED.search(training.text()))
                since = 0.0
            time.sleep(self.draw.uniform(0, 0.8))
            if struck < most and training.running() and fault.strike(training, output, self.draw):
                struck, since, reached = struck + 1, time.monotonic(), training.step()
                if fault.codes == (0,):  # one that does not disturb the run: nothing to resume, nothing lost
                    tally.resumed, since = tally.resumed + 1, 0.0
                    tally.lost.append(0.0)
            code = training.wait(180)
            if code == 0:
                tally.injected += struck
                if since:  # it had ended before the fault could take hold
                    tally.injected, struck = tally.injected - 1, struck - 1
                return struck
            if code not in fault.codes:
                training.send(signal.SIGKILL)
                raise UserError(
                    f"{fault.name}: the run ended with {code}, expected {fault.codes}:\n{training.text()[-3000:]}"
                )
        raise UserError(f"{fault.name}: the run in {folder} never ended")


@contextmanager
def _plain_folder(place: Path) -> Iterator[Path]:
    place.mkdir(parents=True)
    yield place


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own, small enough to be filled."""
    place.mkdir(parents=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        raise UserError(
            f"a small file system cannot be mounted here ({made.stderr.strip()}); leave the fault out with --faults"
        )
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def run(
    root: Path,
    place: Path,
    kills: int,
    rounds: int,
    processes: Sequence[int],
    names: Sequence[str],
    seed: int,
    steps: int,
) -> bool:
    """Torture, print the table, and tell whether every run ended as if nothing had happened."""
    import ratchet.training.trainers.grpo
    import ratchet.training.trainers.mixins  # noqa: F401  imported once, for all that are forked

    chosen = _chosen(names)
    benches = []
    for count in processes:
        (place / f"{count}-processes").mkdir(parents=True)
        benches.append(Bench(root, place / f"{count}-processes", count, Random(seed), steps))
    on = " + ".join({1: "one process", 2: "two"}[count] for count in processes)
    print(f"| fault ({on}) | injected | resumed | numbers identical | seconds lost, median (most) |", flush=True)
    print("|---|---|---|---|---|", flush=True)
    all_well = True
    for fault in chosen:
        count = kills if fault.name == "SIGKILL" else rounds
        tallies = [bench.torture(fault, count) for bench in benches if bench.processes in fault.processes]
        if not tallies:
            continue
        print(_line(fault, tallies), flush=True)
        for tally in tallies:
            for text in tally.wrong:
                print(f"different: {text}", file=sys.stderr, flush=True)
        all_well &= all(tally.injected == tally.resumed == tally.identical for tally in tallies)
    return all_well


def _chosen(names: Sequence[str]) -> list[Fault]:
    known = [fault.name for fault in FAULTS]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise UserError(f"--faults: there is no fault {', '.join(unknown)}; there are {', '.join(known)}")
    return [fault for fault in FAULTS if not names or fault.name in names]


def _line(fault: Fault, tallies: Sequence[Tally]) -> str:
    """A row of the table; counts of one process and of two stand side by side."""
    counts = [
        " + ".join(str(getattr(tally, name)) for tally in tallies) for name in ("injected", "resumed", "identical")
    ]
    lost = [f"{statistics.median(tally.lost):.1f} ({max(tally.lost):.1f})" for tally in tallies if tally.lost]
    return f"| {' | '.join([fault.name, *counts, ', '.join(lost)])} |"
