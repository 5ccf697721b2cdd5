"""Held-out accuracy, and the steps and seconds to a target, for every objective.

    python benchmarks/objectives.py [--recipe recipes/demo.yaml] [--target 0.9] [--seeds 0 1 2] [--every 10]
        [--only NAME ...] [OPTION OF THE RECIPE ...]

Runs the recipe once for each objective and seed, and measures accuracy every so many steps. Seconds are those of
training alone, from its first step on. A target that was not reached is a dash.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from progress import progress

from ratchet.files import read_json
from ratchet.objectives import OBJECTIVES

ROOT = Path(__file__).resolve().parents[1]


def run(recipe: str, name: str, seed: int, every: int, target: float, more: Sequence[str]) -> dict[str, float | None]:
    """One run: accuracy at its end with n, the first step at or above the target, and seconds until then."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        words = ["--objective", name, "--seed", str(seed), "--output_dir", str(output), "--report", "off"]
        words += ["--eval_strategy", "steps", "--eval_steps", str(every), "--logging_steps", str(every)]
        words += ["--evaluation.before", "true"]
        command = [sys.executable, str(ROOT / "scripts/grpo.py"), recipe, *words, *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after, way = read_json(output / "result.json")["after"], progress(output, target)
        return {"accuracy": after["accuracy"], "n": after["n"], **way._asdict()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/demo.yaml")
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=list(OBJECTIVES), choices=list(OBJECTIVES))
    given, more = parser.parse_known_args()
    print(f"| objective | accuracy after, each seed | steps to {given.target:g} | seconds to it | seconds in all |")
    print("|---|---|---|---|---|", flush=True)
    for name in given.only:
        found = [run(given.recipe, name, seed, given.every, given.target, more) for seed in given.seeds]
        accuracies = ", ".join(f"{one['accuracy']:.3f}" for one in found)
        steps = ", ".join("-" if one["step"] is None else str(one["step"]) for one in found)
        seconds = ", ".join("-" if one["seconds"] is None else f"{one['seconds']:.0f}" for one in found)
        whole = statistics.median(one["whole"] for one in found)
        print(f"| {name} | {accuracies} (n = {found[0]['n']}) | {steps} | {seconds} | {whole:.0f} |", flush=True)


if __name__ == "__main__":
    main()
