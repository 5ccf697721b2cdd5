"""A run's folder as training leaves it, made up in milliseconds: small, complete, and with every figure in it."""

import json
from pathlib import Path

from ratchet.record.records import Records

STEPS = range(5, 41, 5)
SHARE = {"accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 40}
RECIPE = "trainer: grpo\ntask: aquarat\nmodel_name_or_path: tiny\nlearning_rate: 1.0e-05\nmax_steps: 40\n"
RESULT = {"task": "aquarat", "steps": 40, "seconds": 100.0, "alarms": {"collapse": "one letter only"}}
AUDIT = {
    "mode": "on",
    "scores": 400,
    "rows": 20,
    "policies": [
        {"policy": "the target", "kind": "gold", "reward": 1.0, "correct": 1.0},
        {"policy": "always A", "kind": "ignorant", "reward": 0.2, "correct": 0.2},
        {"policy": "all letters", "kind": "hack", "reward": 0.0, "correct": 0.0},
    ],
    "findings": [{"name": "hack-pays", "text": "nothing pays", "fails": False}],
}
ABOUT = {
    "started": "2026-01-01T00:00:00+0000",
    "command": "accelerate launch grpo.py recipe.yaml",
    "launcher": "accelerate launch",
    "processes": 2,
    "distributed": "MULTI_CPU",
    "commit": "0123abc",
    "data": {"rows": 1000, "sha256": "f" * 64, "notes": ["two rows left out"]},
    "model": {"parameters": 1234567, "trained": 1000},
    "versions": {"torch": "2.13.0", "trl": "1.16.0"},
    "hardware": {"cores": 2, "memory_gib": 16, "machine": "x86_64", "gpus": ["H100", "H100"]},
    "left_out": ["attn: nothing to see"],
}


def logged(step: int) -> dict[str, float]:
    """Everything that is logged at a step of GRPO."""
    share = step / 50
    figures = {"loss": 2 - share, "learning_rate": 1e-5 * (1 - share), "grad_norm": 1.0 + share, "reward": share}
    figures |= {"policy/loss": 2 - share, "policy/entropy": 1 - share, "num_tokens": 100.0 * step, "rl/acc": share}
    figures |= {"rl/mean_reward": share, "rl/avg_completion_len": 12.0, "rl/group_size": 8.0}
    figures |= {"rollout/mean_reward": share, "rollout/min_reward": 0.0, "rollout/max_reward": 1.0}
    figures |= {"completions/max_length": 20.0, "completions/min_length": 4.0}
    figures |= {"rewards/correctness/mean": share, "rewards/format/mean": 1.0, "advantages/frac_zero_spread": 0.25}
    figures |= {"rl/kl_sequence_mean": share / 10, "rl/kl_letter_mean": share, "rl/letter_found_frac": 0.9}
    figures |= {"distill/kl": share, "distill/kl_quarter_1": share}
    figures |= {"rl/letter_margin_mean": 1.0, "rl/letter_margin_std": 0.5}
    figures |= {f"rl/letter_pred_counts/{letter}": float(i) for i, letter in enumerate("ABCDE")}
    figures |= {f"attn/entropy_layer/{layer}": 1.0 + layer for layer in range(2)}
    figures |= {f"grad/layer/{layer}": 0.5 + layer for layer in range(2)}
    figures |= {"time/rollout": 2.0, "time/training": 1.0, "time/reward": 0.0, "time/step": 3.0}
    figures |= {"time/rollout_max": 3.0, "time/rollout_min": 1.0, "time/training_max": 1.5, "time/training_min": 0.5}
    return {**figures, "time/tokens_per_second": 70.0, "memory/peak_gib": 1.5, "distributed/world_size": 2.0}


def completion(number: int, text: str = "so 5\nAnswer: B") -> dict:
    """A completion with its grade."""
    return {
        "id": f"row-{number}",
        "prompt": "2 + 3?",
        "completion": text,
        "gold": "B",
        "answer": "B",
        "span": [len(text) - 1, len(text)],
        "correct": number % 2 == 0,
        "components": {"exact": 1.0},
    }


def evaluation(step: int, accuracy: float, right: int) -> dict:
    """An evaluation of 40 rows, of which ``right`` are right."""
    share = {**SHARE, "accuracy": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1}
    return {
        **share,
        "step": step,
        "split": "test",
        "majority": 0.25,
        "chance": 0.2,
        "pass_at_k": {"1": share, "4": {**share, "accuracy": accuracy + 0.05}},
        "outcomes": {f"row-{i}": i < right for i in range(40)},
        "answered": [{**completion(i), "tokens": 6, "truncated": False} for i in range(3)],
    }


def make_run(folder: Path, finished: bool = True) -> Path:
    """Write it; returns ``folder``."""
    records = Records(folder)
    records.write_all("log", [{"step": step, "time": 1000.0 + step, **logged(step)} for step in STEPS])
    for step, accuracy in ((0, 0.3), (40, 0.6)):
        ends = {"eval/accuracy_low": accuracy - 0.1, "eval/accuracy_high": accuracy + 0.1}
        scalars = {"eval/accuracy": accuracy, **ends, "eval/majority": 0.25}
        records.write("log", step=step, time=1000.0 + step, **scalars)
        records.write("evaluations", **evaluation(step, accuracy, int(40 * accuracy)))
    for step in (5, 40):
        values = {"rollout/reward": [i % 2 for i in range(40)], "advantages/value": [i / 10 - 2 for i in range(40)]}
        records.histograms(step, values)
        heat_map = {"layer": 0, "head": 1, "tokens": ["a", " b", " a"], "weights": [[1.0, 0, 0], [0.2, 0.8, 0.0]]}
        records.write("attention", step=step, **heat_map)
        records.write("embeddings", step=step, vectors=[[0.1 * step, 1.0, 0.0, 2.0], [1.0, 0.5 * step, 0.0, 1.0]])
        records.write("confusion", step=step, counts={"A": {"A": 3, "B": 1}, "B": {"B": 2, "none": 2}})
        earned = {"reward": 1.0, "rewards": {"correctness": 1.0}, "advantage": 0.5}
        records.write("samples", step=step, **completion(0), **earned)
    records.write("alarms", step=40, text="collapse: one letter only")
    grid = {"axis": [-1.0, 0.0, 1.0], "losses": [[3.0, 2.0, 3.0]] * 3, "rows": 16, "step": 40}
    (folder / "diagnostics/loss_slice.json").write_text(json.dumps(grid))
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "run.json").write_text(json.dumps(ABOUT))
    (folder / "audit.json").write_text(json.dumps(AUDIT))
    if finished:
        (folder / "result.json").write_text(json.dumps(RESULT))
        (folder / "config.json").write_text("{}")
    return folder
