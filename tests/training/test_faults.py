"""What a reward, a step or a worker can do to a run: real runs, with a task of one's own that misbehaves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent


@pytest.fixture
def odd(tmp_path, root):
    """A recipe for the misbehaving task."""
    (tmp_path / "odd_task.py").write_text((HERE / "odd_task.py").read_text(encoding="utf-8"))
    text = f"extends: {root}/recipes/debug/grpo.yaml\ntask: odd_task.py\naudit: off\nreport: off\ndata: {{source: generated, instruction: '', generated: {{train: 200, validation: 40}}}}\n"
    (tmp_path / "odd.yaml").write_text(text + "rewards: {correctness: {weight: 1.0}, bonus: {weight: 0.1}}\nmax_steps: 6\noutput_dir: out\n")
    return "odd.yaml"


def kept(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "out/faults/rewards.jsonl").read_text(encoding="utf-8").splitlines()]


STOPS = {
    "raise": "ValueError: no such",
    "exit": "its process died (exit code 7)",
    "nan": "a finite number, it returns nan",
    "infinite": "a finite number, it returns inf",
    "none": "a number, it returns NoneType",
    "list": "a number, it returns list",
    "text": "a number, it returns str",
    "wrong": "a Grade, it returns bool",
}


@pytest.mark.parametrize("fault", ["raise", "exit", "none"])
def test_a_reward_that_fails_stops_the_run_with_everything_kept(script, tmp_path, odd, fault):
    done = script("scripts/grpo.py", odd, "--data.fault", fault, code=2)
    assert STOPS[fault] in done.stderr and "Traceback" not in done.stderr
    entry = kept(tmp_path)[0]
    assert entry["completion"] and STOPS[fault] in entry["error"] and {"question", "id"} <= set(entry["row"])
    assert ("in grade" in entry["traceback"]) == (fault == "raise")
    step = entry["step"]
    if step:  # it went back to the end of the step before, and saved it
        assert (tmp_path / f"out/checkpoint-{step}/manifest.json").is_file()


@pytest.mark.parametrize("fault", ["raise", "nan", "backtrack", "fork"])
def test_failing_completions_can_be_left_out_and_are_counted(script, tmp_path, odd, fault):
    words = (
        "--data.fault",
        fault,
        "--faults.on_reward_error",
        "skip",
        "--faults.max_skipped",
        "0.9",
        "--faults.reward_timeout",
        "0.3",
        "--max_steps",
        "3",
    )
    done = script("scripts/grpo.py", odd, *words)
    entries = kept(tmp_path)
    log = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert max(entry.get("faults/skipped_completions", 0) for entry in log) == len(entries) > 0
    assert done.stdout.count("warning: ") >= 1 and "All reward functions returned None" not in done.stdout + done.stderr
    if fault in ("backtrack", "fork"):
        assert "no answer within 0.3 s" in entries[0]["error"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if "odd-task-child" in " ".join(p.info["cmdline"] or [])]


def test_too_many_failing_completions_stop_a_run_that_leaves_them_out(script, tmp_path, odd):
    done = script("scripts/grpo.py", odd, "--data.fault", "nan", "--faults.on_reward_error", "skip", "--faults.max_skipped", "0.001", code=2)
    assert "more than faults.max_skipped: 0.001 allows" in done.stderr


def test_the_processes_that_judge_die_with_the_run(tmp_path, odd, root):
    words = [sys.executable, str(root / "scripts/grpo.py"), odd, "--data.fault", "backtrack"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until, workers = time.monotonic() + 120, []
        while time.monotonic() < until and not any(worker.cpu_times().user > 1 for worker in workers):
            workers = [p for p in psutil.Process(run.pid).children() if "ratchet.training.judges" in " ".join(p.cmdline())]
            time.sleep(0.2)
        run.kill()
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []
