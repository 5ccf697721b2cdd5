"""Lean steps against TRL alone on the same completions: same losses, gradients, weights and figures."""

import json
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from lean_cases import CASES  # noqa: E402

ROWS_STAY = {"bnpo", "entropy-bonus", "high-entropy", "overlapping"}
# Of rows that are left out nobody knows these; means of clipped ratios are over all tokens here, and not over
# micro-batches, and extremes are of the step.
OF_MICRO_BATCHES = ("entropy", "vespo/phi_seq_mean", "clip_ratio/", "cispo_clip_ratio", "mean_token_accuracy")


def outcomes(finish, folder: Path, start: list[str], names: list[str]) -> dict[str, dict]:
    done = finish([*start, str(HERE / "lean_worker.py"), str(folder / "model"), *names], folder, 900)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]
    assert done.returncode == 0, done.stderr[-3000:]
    return {entry["case"]: entry for entry in found}


def launched(root: Path, name: str) -> list[str]:
    words = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0", "--num_processes", "2"]
    return [*words, "--config_file", str(root / f"accelerate_configs/{name}.yaml")]


@pytest.fixture(scope="module")
def on_one(finish, tmp_path_factory) -> dict[str, dict]:
    return outcomes(finish, tmp_path_factory.mktemp("one"), [sys.executable], [*CASES])


@pytest.fixture(scope="module")
def on_two(finish, tmp_path_factory, root) -> dict[str, dict]:
    return outcomes(finish, tmp_path_factory.mktemp("two"), launched(root, "cpu2"), [*CASES])


def check(found: dict, tolerance: float = 1e-6) -> None:
    assert found["losses"] < 1e-6
    assert found["norms"] < max(1e-5, tolerance)
    assert found["weights"] < tolerance
    assert not [name for name in found["figures"] if not name.startswith(OF_MICRO_BATCHES)]
    assert found["regroups"] == (found["case"] not in ROWS_STAY)
    assert not found["regroups"] or found["saved"] < 0.85


@pytest.mark.parametrize("name", CASES)
def test_losses_and_weights_are_those_of_plain_trl(on_one, name):
    check(on_one[name])


@pytest.mark.apart
@pytest.mark.parametrize("name", CASES)
def test_losses_and_weights_of_two_processes_are_those_of_plain_trl(on_two, name):
    check(on_two[name])


@pytest.mark.apart
@pytest.mark.skipif(
    shutil.which("g++") is None, reason="DeepSpeed builds its CPU communication with g++, which is absent"
)
@pytest.mark.parametrize("stage", ["zero2", "zero3"])
def test_losses_under_deepspeed_are_those_of_plain_trl(finish, tmp_path, root, stage):
    """It adds gradients up in 16 bits, in which another order shows."""
    for found in outcomes(finish, tmp_path, launched(root, stage), ["dapo", "grpo", "windows"]).values():
        check(found, 0.005)


@pytest.mark.parametrize("name", ["beta", "windows"])
def test_figures_without_rows_left_out_are_those_of_one_large_batch(on_one, name):
    assert not on_one[name]["figures"]


def test_a_budget_of_tokens_is_kept(on_one):
    assert on_one["by-tokens"]["largest_pass"] <= 96 < on_one["dapo"]["largest_pass"]
