"""Whether two runs count as the same, on folders with a few numbers."""

import json
from pathlib import Path

import pytest

from ratchet.torture.compare import differences, logged


def write(run: Path, loss: float = 0.5, **result) -> Path:
    (run / "checkpoint-2").mkdir(parents=True)
    (run / "diagnostics").mkdir()
    (run / "checkpoint-1").mkdir()
    (run / "checkpoint-1/optimizer.pt").write_bytes(str(run).encode())  # of an older checkpoint nobody asks
    (run / "checkpoint-2/optimizer.pt").write_bytes(b"state")
    (run / "model.safetensors").write_bytes(b"weights")
    history = [{"step": 1, "loss": loss, "step_time": len(str(run))}, {"step": 2, "loss": 0.25}]
    (run / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    (run / "diagnostics/alarms.jsonl").write_text('{"step": 2, "alarm": "flat", "time": 3}\n')
    (run / "result.json").write_text(json.dumps({"steps": 2, "seconds": len(str(run)), **result}))
    return run


@pytest.fixture
def runs(tmp_path):
    return write(tmp_path / "one"), write(tmp_path / "another")


def test_runs_that_differ_by_their_clocks_alone_are_the_same(runs):
    found, count = differences(*runs)
    assert found == [] and count == 3 + 3 + 3 + 2


@pytest.mark.parametrize(
    ("file", "says"), [("model.safetensors", "weights"), ("checkpoint-2/optimizer.pt", "optimizer")]
)
def test_a_changed_byte_is_found(runs, file, says):
    (runs[1] / file).write_bytes(b"other")
    assert differences(*runs)[0] == [says]


def test_a_number_that_differs_is_named_with_file_and_step(runs, tmp_path):
    assert differences(runs[0], write(tmp_path / "third", loss=0.75))[0] == ["trainer_state step 1 loss: 0.5 0.75"]


def test_a_number_that_is_missing_differs(runs, tmp_path):
    other = write(tmp_path / "third", after={"accuracy": 1.0})
    assert differences(runs[0], other)[0] == ["result step None after: None {'accuracy': 1.0}"]


def test_a_log_that_is_missing_is_counted(runs):
    (runs[1] / "diagnostics/alarms.jsonl").write_text("")
    assert "4 logs, 3 logs" in differences(*runs)[0]


def test_times_are_left_out_at_every_depth(tmp_path):
    run = write(tmp_path / "run", evaluation={"accuracy": 1.0, "tokens_per_second": 9.0})
    assert logged(run)[-1] == {"file": "result", "steps": 2, "evaluation": {"accuracy": 1.0}}
