"""Seconds of training until held-out accuracy reaches a target, TRL alone and with lean steps.

    python benchmarks/time_to_target.py [--recipe recipes/demo.yaml] [--target 0.9] [--seeds 0 1 2] [--every 5]
        [OPTION OF THE RECIPE, for instance --curriculum.resample 2, for ours alone ...]

Runs the recipe twice per seed, in turn: as TRL trains it (lean: off, diagnostics: off), and as Ratchet does. Held-out
accuracy is measured every so many steps; seconds are those of training from its first step on, without evaluations,
loading and the report. On a GPU give a recipe for one.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from progress import progress

ROOT = Path(__file__).resolve().parents[1]
KINDS = {"plain": ("--lean.mode", "off", "--diagnostics.mode", "off"), "ours": ()}


def reached(recipe: str, kind: str, seed: int, every: int, target: float, more: list[str]) -> tuple[float, int, float]:
    """Seconds and step at which a run reached the target, and the seconds of all its steps."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        words = [
            sys.executable,
            str(ROOT / "scripts/grpo.py"),
            recipe,
            "--seed",
            str(seed),
            "--output_dir",
            str(output),
        ]
        words += ["--eval_strategy", "steps", "--eval_steps", str(every), "--evaluation.before", "true"]
        words += ["--logging_steps", str(every)]
        subprocess.run([*words, "--report", "off", *KINDS[kind], *more], check=True, stdout=subprocess.DEVNULL)
        way = progress(output, target)
        if way.step is None:
            raise SystemExit(f"{kind}, seed {seed}: {target} was not reached")
        return way.seconds, way.step, way.whole


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", default="recipes/demo.yaml")
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--every", type=int, default=5)
    given, more = parser.parse_known_args()
    print(
        f"| seed | step | seconds to {given.target:g}: plain | ours | ours / plain | all steps: plain | ours | ratio |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for seed in given.seeds:
        order = ("plain", "ours")[:: 1 if seed % 2 else -1]
        found = {
            kind: reached(given.recipe, kind, seed, given.every, given.target, more if kind == "ours" else [])
            for kind in order
        }
        (plain, step, plain_all), (ours, own_step, ours_all) = found["plain"], found["ours"]
        steps = str(step) if step == own_step else f"{step}, {own_step}"
        print(
            f"| {seed} | {steps} | {plain:.1f} | {ours:.1f} | {ours / plain:.2f} | {plain_all:.1f} | {ours_all:.1f} "
            f"| {ours_all / plain_all:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
