"""A run that was stopped and goes on computes what it would have computed: weights, optimiser and every logged number,
bit for bit."""

import json
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WORKER = HERE / "resume_worker.py"
ON_TWO = [
    *("off-boundary", "epochs", "reference", "evaluations", "curriculum", "choice", "teacher", "teacher-average"),
    *("teacher-live-jsd", "sft"),
]


def cases() -> list[str]:
    """The worker's, read without importing what it trains with."""
    lines = WORKER.read_text(encoding="utf-8").split("CASES:")[1].split("\n}")[0].splitlines()
    return [line.split('"')[1] for line in lines if line.startswith('    "')]


def outcomes(finish, folder: Path, start: list[str], names: list[str]) -> dict[str, dict]:
    done = finish([*start, str(WORKER), str(folder), *names], folder, 900)
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"case"')]
    assert done.returncode == 0, done.stderr[-3000:]
    return {entry["case"]: entry for entry in found}


@pytest.fixture(scope="module")
def on_one(finish, tmp_path_factory) -> dict[str, dict]:
    return outcomes(finish, tmp_path_factory.mktemp("one"), [sys.executable], cases())


@pytest.fixture(scope="module")
def on_two(finish, tmp_path_factory, root) -> dict[str, dict]:
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--main_process_port",
        "0",
        "--config_file",
        str(root / "accelerate_configs/cpu2.yaml"),
    ]
    return outcomes(
        finish,
        tmp_path_factory.mktemp("two"),
        launch,
        ON_TWO,
    )


@pytest.mark.apart
@pytest.mark.skipif(
    shutil.which("g++") is None, reason="DeepSpeed builds its CPU communication with g++, which is absent"
)
@pytest.mark.parametrize("stage", [pytest.param("zero2", marks=pytest.mark.slow), "zero3"])
def test_a_stopped_run_under_deepspeed_goes_on_exactly(finish, tmp_path, root, stage):
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0", "--num_processes", "2"]
    found = outcomes(
        finish, tmp_path, [*launch, "--config_file", str(root / f"accelerate_configs/{stage}.yaml")], ["deepspeed"]
    )
    assert found["deepspeed"]["different"] == [] and found["deepspeed"]["compared"] > 100


@pytest.mark.parametrize("case", cases())
def test_a_stopped_run_goes_on_exactly(on_one, case):
    assert on_one[case]["different"] == []
    assert on_one[case]["compared"] > 100


@pytest.mark.parametrize("case", ON_TWO)
def test_a_stopped_run_of_two_processes_goes_on_exactly(on_two, case):
    assert on_two[case]["different"] == []
    assert on_two[case]["compared"] > 100
