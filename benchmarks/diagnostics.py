"""What the diagnostics cost: plain TRL and a run with everything on, step by step in turn, on the same seed.

    python benchmarks/diagnostics.py [--recipe recipes/demo.yaml] [--steps 60] [--key value ...]

Two processes train the same recipe: TRL's own GRPOTrainer, and Ratchet's with letters, distance, attention, gradients,
time and the record on disk. Only one of them computes at any time: they take turns after every step, so that whatever
else the machine does hits both alike. A step lasts from its release to the next request, so logging and probes count.
Losses and final weights must be the same bit for bit. On a GPU give a recipe for one.
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
    """Train as ``plain`` TRL or as ``ours``; every line but JSON goes to stderr."""
    from trl import GRPOTrainer

    from ratchet.recipe import load_recipe
    from ratchet.rewards.for_trl import Grader, reward_functions
    from ratchet.runtime import quiet
    from ratchet.training import grpo
    from ratchet.training.arguments import make_arguments, model_settings, trainer_extras
    from ratchet.training.run import attach, begin, prepare

    out, sys.stdout = sys.stdout, sys.stderr
    quiet()
    recipe = load_recipe(recipe_path, [*overrides, ("output_dir", folder), ("audit", "off")], trainer="grpo")
    begin(recipe)
    arguments, model_arguments = make_arguments(recipe)
    arguments.eval_on_start = False
    prepared = prepare(recipe, arguments, model_arguments)
    if kind == "ours":
        trainer = grpo.build(prepared)
        attach(trainer, prepared)
    else:
        arguments.model_init_kwargs = model_settings(prepared)
        arguments.reward_weights = [term.weight for term in recipe.rewards]
        grader = Grader(recipe.task, recipe.get("max_completion_length"))
        rewards = reward_functions(grader, recipe.rewards)
        trainer = GRPOTrainer(
            prepared.model_path, rewards, arguments, prepared.data.train, processing_class=prepared.tokenizer, **trainer_extras(prepared)
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


def main(words: list[str]) -> None:
    """Run both, and print the ratios."""
    options = dict(zip([w.removeprefix("--") for w in words[::2]], words[1::2], strict=True))
    recipe, steps = options.pop("recipe", str(ROOT / "recipes/demo.yaml")), int(options.pop("steps", "60"))
    fixed = {
        "max_steps": str(steps),
        "logging_steps": "1",
        "evaluation.before": "false",
        "evaluation.after": "false",
        "report": "off",
        "save_strategy": "no",
    }
    overrides = [*{**fixed, **options}.items()]
    took: dict[str, list[list[float]]] = {"plain": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        start = [sys.executable, __file__, "--child"]
        children = {
            kind: subprocess.Popen(
                [*start, kind, recipe, f"{folder}/{kind}", json.dumps(overrides)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for kind in took
        }
        for process in children.values():
            next_line(process)
        ended: dict[str, dict] = {}
        for step in range(steps):
            order = ("plain", "ours") if step % 2 == 0 else ("ours", "plain")
            for kind in order:
                children[kind].stdin.write("\n")
                children[kind].stdin.flush()
                found = next_line(children[kind])
                if "took" in found:
                    took[kind].append(found["took"])
                else:
                    ended[kind] = found
    same = ended["plain"] == ended["ours"]
    print(f"{recipe}, {steps} steps each, in turn")
    losses, weights = ended["ours"]["losses"], ended["ours"]["weights"]
    print(f"losses and final weights  {'identical bit for bit' if same else 'DIFFERENT'} ({len(losses)} losses, weights {weights[:12]})")
    for i, clock in enumerate(("wall clock", "processor time")):
        plain, ours = ([step[i] for step in took[kind][1:]] for kind in ("plain", "ours"))  # the first step warms up
        ratios = sorted(o / p for o, p in zip(ours, plain, strict=True))
        low, _, high = statistics.quantiles(ratios, n=4)
        print(
            f"{clock:<25} median step {statistics.median(plain):.4f} s plain, {statistics.median(ours):.4f} s with everything on; "
            f"ratio of a pair: median {statistics.median(ratios):.4f} (quartiles {low:.4f} to {high:.4f}, n = {len(ratios)}); "
            f"of totals, probes included: {sum(ours) / sum(plain):.4f}"
        )
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], sys.argv[4], [tuple(pair) for pair in json.loads(sys.argv[5])])
    else:
        main(sys.argv[1:])
