"""Watching changes nothing: the benchmark's two runs end with the same losses and weights, bit for bit."""

import subprocess
import sys

import pytest


@pytest.mark.apart
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--use_peft", "true", "--lora_target_modules", "[all-linear]"),
        ("--beta", "0.04", "--gradient_accumulation_steps", "2"),
    ],
    ids=["full", "lora", "kl"],
)
def test_losses_and_weights_are_those_of_plain_trl(root, more):
    words = ["--steps", "4", "--rounds", "1", "--per_device_train_batch_size", "16", "--diagnostics.every", "1", *more]
    done = subprocess.run(
        [sys.executable, str(root / "benchmarks/diagnostics.py"), *words], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "identical bit for bit (4 losses" in done.stdout and "ratio of a pair: median" in done.stdout
