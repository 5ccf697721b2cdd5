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
    text = (
        f"extends: {root}/recipes/debug/grpo.yaml\ntask: odd_task.py\naudit: off\nreport: off\ndata: {{source: "
        f"generated, instruction: '', generated: {{train: 200, validation: 40}}}}\n"
    )
    (tmp_path / "odd.yaml").write_text(
        text + "rewards: {correctness: {weight: 1.0}, bonus: {weight: 0.1}}\nmax_steps: 6\noutput_dir: out\n"
    )
    return "odd.yaml"


def kept(folder: Path) -> list[dict]:
    return [
        json.loads(line) for line in (folder / "out/faults/rewards.jsonl").read_text(encoding="utf-8").splitlines()
    ]


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
    if step:  # it rolled back to the end of the step before, and saved it
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
        "--per_device_train_batch_size",
        "8",
        "--evaluation.max_rows",
        "6",
    )
    done = script("scripts/grpo.py", odd, *words)
    entries = kept(tmp_path)
    log = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert max(entry.get("faults/skipped_completions", 0) for entry in log) == len(entries) > 0
    assert (
        done.stdout.count("warning: ") >= 1 and "All reward functions returned None" not in done.stdout + done.stderr
    )
    if fault in ("backtrack", "fork"):
        assert "no answer within 0.3 s" in entries[0]["error"]
    assert not [p for p in psutil.process_iter(["cmdline"]) if "odd-task-child" in " ".join(p.info["cmdline"] or [])]


def test_too_many_failing_completions_stop_a_run_that_leaves_them_out(script, tmp_path, odd):
    done = script(
        "scripts/grpo.py",
        odd,
        "--data.fault",
        "nan",
        "--faults.on_reward_error",
        "skip",
        "--faults.max_skipped",
        "0.001",
        code=2,
    )
    assert "more than faults.max_skipped: 0.001 allows" in done.stderr


def test_the_processes_that_judge_die_with_the_run(tmp_path, odd, root):
    words = [sys.executable, str(root / "scripts/grpo.py"), odd, "--data.fault", "backtrack"]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        until, workers = time.monotonic() + 120, []
        while time.monotonic() < until and not any(worker.cpu_times().user > 1 for worker in workers):
            workers = [
                p
                for p in psutil.Process(run.pid).children()
                if "ratchet.training.reward_workers" in " ".join(p.cmdline())
            ]
            time.sleep(0.2)
        run.kill()
    assert workers
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_a_step_without_a_finite_loss_changes_nothing_and_several_stop_the_run(script, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    small = ("--report", "off", "--evaluation.max_rows", "4", "--from_scratch.config.tie_word_embeddings", "false")
    script("scripts/sft.py", "recipes/debug/sft.yaml", "--max_steps", "1", "--output_dir", "first", *small)
    weights = load_file(tmp_path / "first/model.safetensors")
    weights["model.embed_tokens.weight"][token_of(tmp_path / "first", "books")] = (
        torch.nan
    )  # as in a broken checkpoint: one word is no number
    save_file(weights, tmp_path / "first/model.safetensors", {"format": "pt"})
    words = (
        "--model_name_or_path",
        "first",
        "--from_scratch",
        "null",
        "--report",
        "off",
        "--evaluation.after",
        "false",
        "--output_dir",
        "out",
    )
    done = script(
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        *words,
        "--logging_steps",
        "1",
        "--per_device_train_batch_size",
        "2",
        "--max_steps",
        "40",
        "--faults.max_bad_steps",
        "30",
    )
    log = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    skipped = max(entry.get("faults/skipped_steps", 0) for entry in log)
    assert 0 < skipped < 40 and done.stdout.count("is non-finite") == skipped
    trained = load_file(tmp_path / "out/model.safetensors")
    assert all(torch.isfinite(value).all() for name, value in trained.items() if name != "model.embed_tokens.weight")
    assert not torch.equal(trained["lm_head.weight"], weights["lm_head.weight"])
    assert len(list((tmp_path / "out/faults").glob("step-*.pt"))) == skipped
    kept = torch.load(sorted((tmp_path / "out/faults").glob("step-*.pt"))[0], weights_only=True)
    assert (kept[0]["input_ids"] == token_of(tmp_path / "first", "books")).any()
    stopped = script(
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        *words,
        "--per_device_train_batch_size",
        "64",
        "--resume",
        "never",
        code=2,
    )
    assert "of 3 steps in a row was non-finite" in stopped.stderr and "Traceback" not in stopped.stderr


def token_of(folder: Path, word: str) -> int:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(f" {word}", add_special_tokens=False)["input_ids"][-1]


def test_a_process_that_hangs_ends_with_the_reason_and_its_stack(script, tmp_path, odd):
    words = ("--data.fault", "sleep", "--faults.reward_workers", "0", "--faults.hang_timeout", "4")
    done = script("scripts/grpo.py", odd, *words, code=75)
    assert "stopped: process 0 made no progress for" in done.stderr and "odd_task.py:" in done.stderr
    assert "time.sleep(3600)" in (tmp_path / "out/faults/hang-process-0.txt").read_text()


def test_without_enough_memory_the_knobs_of_this_recipe_are_named(tmp_path, root):
    # An address space that the process, once it has everything loaded, cannot grow in.
    limited = (
        "import resource, sys, psutil; from ratchet.training.trainers import build as b; real = b.build_trainer\n"
        "def build(*a):\n    found = real(*a); now = psutil.Process().memory_info().vms\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (now + 2**27,) * 2); return found\n"
        "b.build_trainer = build; from ratchet.cli.main import grpo\n"
        "sys.argv = ['grpo.py', *sys.argv[1:]]; grpo()"
    )
    words = [
        str(root / "recipes/debug/grpo.yaml"),
        "--per_device_train_batch_size",
        "4096",
        "--num_generations",
        "2048",
        "--output_dir",
        "out",
    ]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", limited, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "error: out of memory" in done.stderr and "Traceback" not in done.stderr
    assert "per_device_train_batch_size: 2048 with gradient_accumulation_steps: 2 (now 4096 and 1)" in done.stderr
    assert "num_generations below 2048" in done.stderr
