"""Jobs on the Hub: the real ``hf jobs`` command against the stand-in, which carries the job out in an empty folder."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("hub_server_for_jobs", Path(__file__).parents[1] / "hub_server.py")
hub_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub_server)

WORDS = [
    "ratchet",
    "launch",
    "recipes/debug/grpo.yaml",
    "--on",
    "hf-jobs",
    "--flavor",
    "cpu-basic",
    "--timeout",
    "1h",
    "--num_processes",
    "1",
]
PUSH = ["--push_to_hub", "true", "--hub_model_id", "me/model", "--source", "git+https://example.org/ratchet"]
QUICK = ["--max_steps", "2", "--report", "off", "--evaluation.max_rows", "4", "--output_dir", "outputs/run"]


@pytest.fixture
def hub(tmp_path):
    """Carries jobs out as a container would: an empty folder, the job's own secrets, and packages that are there."""
    found = hub_server.Hub()
    place = tmp_path / "container"
    (place / "bin").mkdir(parents=True)
    (place / "bin/pip").write_text('#!/bin/bash\necho "installing $*"\n')
    (place / "bin/pip").chmod(0o755)

    def carry_out(job):
        path = f"{place / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environ = {
            **os.environ,
            **found.environ(job["secrets"]["HF_TOKEN"]),
            "PATH": path,
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        done = subprocess.run(job["command"], cwd=place, env=environ, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    found.carry_out = carry_out
    return found


@pytest.mark.apart
def test_a_job_trains_pushes_and_is_fetched(script, hub, tmp_path):
    done = script(*WORDS, *PUSH, *QUICK, **hub.environ())
    assert "installing install --quiet ratchet-recipes @ git+https://example.org/ratchet" in done.stdout
    assert "step     2/2" in done.stdout
    assert (tmp_path / "outputs/run/model.safetensors").read_bytes() == hub.files("me/model")["model.safetensors"]
    (job,) = hub.jobs
    assert (job["flavor"], job["dockerImage"], job["timeoutSeconds"]) == ("cpu-basic", "python:3.11", 3600)


def test_a_job_that_fails_gives_its_status(script, hub):
    done = script(*WORDS, *PUSH, *QUICK, "--output_dir", "accelerate.yaml", code=1, **hub.environ())
    assert "is a file" in done.stdout
    assert "ERROR" in done.stdout


def test_the_command_names_secrets_and_holds_none(script):
    done = script(*WORDS, *PUSH, *QUICK, "--dry-run", HF_TOKEN="hf_very-secret-token")
    assert "--secrets HF_TOKEN" in done.stdout
    assert "hf_very-secret-token" not in done.stdout


def test_a_run_that_is_pushed_as_checkpoints_goes_on_from_the_hub(script):
    done = script(*WORDS, *PUSH, *QUICK, "--hub_strategy", "checkpoint", "--dry-run")
    assert "recipe.yaml --resume hub" in done.stdout


WRONG = [
    ([], "a job's disk goes with it"),
    (PUSH[:4], "name what pip installs"),
    ([*PUSH, "--timeout", "soon"], "--timeout takes a number"),
    ([*PUSH, "--flavor", "a100x4", "--use_cpu", "false", "--config_file", "CONFIG"], "has 4 GPUs"),
]


@pytest.mark.parametrize(("more", "said"), WRONG)
def test_what_cannot_be_is_refused(script, root, more, said):
    more = [str(root / "accelerate_configs/ddp.yaml") if word == "CONFIG" else word for word in more]
    more += ["--bf16", "true"] if "--config_file" in more else []
    words = list(WORDS)
    for name in {"--flavor", "--timeout"} & {*more}:
        at = words.index(name)
        del words[at : at + 2]
    assert said in script(*words, *more, "--dry-run", code=2).stderr
