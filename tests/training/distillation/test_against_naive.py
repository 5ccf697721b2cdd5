"""What a teacher adds to a step is what a plain forward pass over each row says, whoever the teacher is."""

import json
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("naive_worker.py")
LORA = ("--use_peft", "true", "--lora_target_modules", "[all-linear]", "--lora_r", "4", "--lora_dropout", "0.1")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--distillation.form", "sequence"),
        ("--distillation.teacher", "ratchet-tiny"),
        ("--distillation.teacher", "live", *LORA),
        LORA,
        ("--lean.mode", "off", "--distillation.student_tau", "0.2", "--beta", "0.1"),
        ("--steps_per_generation", "4", "--per_device_train_batch_size", "8", "--temperature", "0.7"),
    ],
    ids=lambda words: "-".join(words).replace("--", "").replace("distillation.", "")[:40] or "start",
)
def test_advantages_are_those_of_a_naive_computation(finish, tmp_path, options):
    done = finish([sys.executable, str(WORKER), str(tmp_path / "out"), *options], tmp_path, 300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["apart"] < 2e-4 and found["tokens"] > 100
    assert {"distill/kl", "distill/kl_quarter_4", "distill/leaks", "distill/teacher_share"} <= {*found["names"]}
