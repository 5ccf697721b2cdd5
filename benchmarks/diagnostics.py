"""What the diagnostics cost: a run without and one with everything on, step by step in turn, on the same seed.

    python benchmarks/diagnostics.py [--recipe recipes/demo.yaml] [--steps 50] [--rounds 4] [--key value ...]

Two processes train the same recipe: TRL's trainer with lean steps alone, and Ratchet's with letters, distance,
attention, gradients, time and the record on disk. Only one of them computes at any time: they take turns after every
step, so that whatever else the machine does hits both alike; rounds begin anew, since two processes of the same
program differ by some percent from each other however long they run. A step lasts from its release to the next
request, so logging and probes count. Losses and final weights must be the same bit for bit. On a GPU give a recipe for
one.
"""

import hashlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from transformers import TrainerCallback

from ratchet.record.records import read

ROOT = Path(__file__).resolve().parents[1]


class Turns(TrainerCallback):
    """Says how long the last step took, and waits to be let on."""

    def __init__(self):
        self.released = None

    def on_step_begin(self, args, state, control, **kwargs):
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = (time.perf_counter(), time.process_time())
        took = None if self.released is None else [end - begin for end, begin in zip(now, self.released, strict=True)]
        print(json.dumps({"took": took}), flush=True)
        sys.stdin.readline()
        self.released = (time.perf_counter(), time.process_time())


def child(kind: str, recipe_path: str, folder: str, overrides: list[tuple[str, str]]) -> None:
    """Train as ``plain``, without anything beside, or as ``ours``; every line but JSON goes to stderr."""
    from ratchet.checkpoints.resume import Start
    from ratchet.recipe import load_recipe
    from ratchet.rewards.trl_adapter import Grader, reward_functions
    from ratchet.runtime import quiet
    from ratchet.training.arguments import make_arguments, model_settings, trainer_extras
    from ratchet.training.output_folder import open_staging
    from ratchet.training.prepare import prepare
    from ratchet.training.services import RunServices
    from ratchet.training.trainers.build import build_trainer
    from ratchet.training.trainers.lean_grpo import LeanGRPOTrainer

    out, sys.stdout = sys.stdout, sys.stderr
    quiet()
    recipe = load_recipe(recipe_path, [*overrides, ("output_dir", folder), ("audit", "off")], trainer="grpo")
    open_staging(recipe)
    arguments, model_arguments = make_arguments(recipe)
    prepared = prepare(recipe, arguments, model_arguments, Start())
    arguments.eval_on_start = False
    if kind == "ours":
        trainer = build_trainer(prepared, RunServices(prepared))
    else:
        arguments.model_init_kwargs = model_settings(prepared)
        arguments.reward_weights = [term.weight for term in recipe.rewards]
        rewards = reward_functions(Grader(recipe.task, recipe.rewards, recipe.get("max_completion_length")))
        trainer = LeanGRPOTrainer(
            prepared.model_path,
            rewards,
            arguments,
            prepared.data.train,
            processing_class=prepared.tokenizer,
            lean=recipe.lean_steps,
            **trainer_extras(prepared),
        )
    trainer.add_callback(Turns())
    sys.stdout = out
    trainer.train()
    digest = hashlib.sha256()
    for name, tensor in sorted(trainer.accelerator.unwrap_model(trainer.model).state_dict().items()):
        digest.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    print(json.dumps({"losses": losses, "weights": digest.hexdigest()}), flush=True)


def next_line(process: subprocess.Popen) -> dict:
    """The next JSON line of a child."""
    for line in process.stdout:
        if line.startswith("{") and ("took" in line or "losses" in line):
            return json.loads(line)
    raise SystemExit(f"a child ended early with code {process.wait()}; its messages are above")


def median_with_interval(values: list[float]) -> tuple[float, float, float]:
    """The median and its 95 % interval by order statistics, which assumes nothing of the distribution."""
    ordered, reach = sorted(values), 0.98 * len(values) ** 0.5
    low, high = (min(len(ordered) - 1, max(0, round(len(ordered) / 2 + end))) for end in (-reach, reach))
    return statistics.median(ordered), ordered[low], ordered[high]


def own_share(folder: Path) -> float:
    """Diagnostics and logging as a share of the median step, as the run itself has logged them."""
    log = [entry for entry in read(folder, "log")[0] if "time/step" in entry]
    middle = {
        name: statistics.median(entry[f"time/{name}"] for entry in log) for name in ("diagnostics", "logging", "step")
    }
    return (middle["diagnostics"] + middle["logging"]) / middle["step"]


def one_round(
    recipe: str, steps: int, overrides: list[tuple[str, str]], first: str
) -> tuple[dict[str, list], dict[str, dict], float]:
    """Both runs once, taking turns; returns seconds by step, what each ended with, and the run's own share."""
    took: dict[str, list[list[float]]] = {"plain": [], "ours": []}
    ended: dict[str, dict] = {}
    kinds = ("plain", "ours") if first == "plain" else ("ours", "plain")
    with tempfile.TemporaryDirectory() as folder:
        children = {}
        for kind in kinds:
            words = [sys.executable, __file__, "--child", kind, recipe, f"{folder}/{kind}", json.dumps(overrides)]
            children[kind] = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for process in children.values():
            next_line(process)
        for step in range(steps):
            for kind in kinds if step % 2 == 0 else reversed(kinds):
                children[kind].stdin.write("\n")
                children[kind].stdin.flush()
                found = next_line(children[kind])
                if "took" in found:
                    took[kind].append(found["took"])
                else:
                    ended[kind] = found
        return took, ended, own_share(Path(folder) / "ours")


def main(words: list[str]) -> None:
    """Run some rounds, and print the ratios."""
    options = dict(zip([w.removeprefix("--") for w in words[::2]], words[1::2], strict=True))
    recipe, steps, rounds = (
        options.pop("recipe", str(ROOT / "recipes/demo.yaml")),
        int(options.pop("steps", "50")),
        int(options.pop("rounds", "4")),
    )
    fixed = {
        "max_steps": str(steps),
        "logging_steps": "1",
        "evaluation.before": "false",
        "evaluation.after": "false",
        "report": "off",
        "save_strategy": "no",
    }
    overrides = [*{**fixed, **options}.items()]
    found = [one_round(recipe, steps, overrides, "plain" if i % 2 == 0 else "ours") for i in range(rounds)]
    same = all(ended["plain"] == ended["ours"] for _, ended, _ in found)
    weights = found[0][1]["ours"]["weights"]
    print(f"{recipe}: {rounds} rounds of {steps} steps each, in turn")
    print(
        f"losses and final weights  {'identical bit for bit' if same else 'DIFFERENT'} ({steps} losses in each "
        f"round, weights {weights[:12]})"
    )
    for i, clock in enumerate(("wall clock", "processor time")):
        pairs = [
            [(p[i], o[i]) for p, o in zip(took["plain"][1:], took["ours"][1:], strict=True)] for took, _, _ in found
        ]  # the first step warms up
        each = ", ".join(f"{statistics.median(o / p for p, o in pair):.3f}" for pair in pairs)
        flat = [pair for part in pairs for pair in part]
        ratio, low, high = median_with_interval([o / p for p, o in flat])
        plain, ours = (statistics.median(pair[j] for pair in flat) for j in (0, 1))
        print(
            f"{clock:<25} median step {plain:.4f} s plain, {ours:.4f} s with everything on; ratio of a pair: median "
            f"{ratio:.4f} "
            f"[{low:.4f}, {high:.4f}] (n = {len(flat)}; by round {each}); of totals, probes included: "
            f"{sum(o for _, o in flat) / sum(p for p, _ in flat):.4f}"
        )
    print(
        "by the run's own clock    diagnostics and logging are "
        f"{statistics.median(share for _, _, share in found):.2%} of the median step"
    )
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], sys.argv[4], [tuple(pair) for pair in json.loads(sys.argv[5])])
    else:
        main(sys.argv[1:])
