"""GRPO with a vLLM server that fails: TRL's real client over real HTTP, against a stand-in for the server."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONSOLE = "console.txt"
TINY = str(ROOT / "src/ratchet/models/tiny")
sys.path.insert(0, str(HERE))
from vllm_on_cpu import Fake  # noqa: E402


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def train(folder: Path, port: int, *more: str, code: int = 0):
    settings = (
        f"--use_vllm true --vllm_mode server --vllm_server_base_url http://127.0.0.1:{port} --vllm_group_port "
        f"{free_port()}"
    )
    quick = (
        "--max_steps 4 --learning_rate 1e-3 --report off --evaluation.max_rows 4 --output_dir out "
        "--vllm_server_timeout 30 --faults.server_wait 30"
    )
    words = [
        sys.executable,
        str(HERE / "vllm_on_cpu.py"),
        str(ROOT / "recipes/debug/grpo.yaml"),
        *settings.split(),
        *quick.split(),
        *more,
    ]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (folder / CONSOLE).open("w") as console:
        done = subprocess.run(
            words, cwd=folder, env=env, stdout=console, stderr=subprocess.PIPE, text=True, timeout=300
        )
    done.stdout = (folder / CONSOLE).read_text()
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    assert "Traceback" not in done.stderr
    return done


def apart(folder: Path) -> float:
    """How far sampler and trainer were apart at most."""
    entries = [json.loads(line) for line in (folder / "out/diagnostics/log.jsonl").read_text().splitlines()]
    return max(
        entry["sampling/sampling_logp_difference/mean"]
        for entry in entries
        if "sampling/sampling_logp_difference/mean" in entry
    )


def started_anew(fake: Fake, path: str, nth: int) -> None:
    """At the nth request for ``path`` the server dies, and another one, with the initial weights, comes up soon
    after."""
    fake.faults.append({"path": path, "kind": "die", "skip": nth - 1})

    def again() -> None:
        fake.released.wait()
        time.sleep(0.5)
        fake.restarted()

    threading.Thread(target=again, daemon=True).start()


def test_a_server_that_is_still_loading_is_waited_for(tmp_path):
    port, console = free_port(), tmp_path / CONSOLE

    def load() -> None:
        while not console.exists() or "waiting for the vLLM server" not in console.read_text():
            time.sleep(0.1)
        Fake(TINY, port)

    threading.Thread(target=load, daemon=True).start()
    done = train(tmp_path, port)
    assert f"waiting for the vLLM server at http://127.0.0.1:{port} (ConnectionError), 30 s at most" in done.stdout
    assert apart(tmp_path) < 1e-4


def test_a_server_that_does_not_come_up_is_said_with_the_end_of_its_log(tmp_path):
    (tmp_path / "server.log").write_text("INFO loading\nERROR no such model\n")
    done = train(tmp_path, free_port(), "--vllm_server_timeout", "2", "--faults.server_log", "server.log", code=2)
    assert "did not come up in 2 s (ConnectionError)" in done.stderr and "ERROR no such model" in done.stderr


@pytest.mark.parametrize("path", ["/v1/completions", "/update_weights"])
def test_a_server_that_is_started_anew_gets_the_weights_and_the_run_goes_on(tmp_path, path):
    fake = Fake(TINY)
    started_anew(fake, path, 3)
    done = train(tmp_path, fake.port)
    assert "warning: the vLLM server failed" in done.stdout and "the vLLM server is back" in done.stdout
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 4
    assert apart(tmp_path) < 1e-4  # with the initial weights it would be above 1


@pytest.mark.apart
def test_a_server_that_answers_badly_or_not_at_all_is_asked_again(tmp_path):
    fake = Fake(TINY)
    fake.faults += [
        {"path": "/v1/completions", "kind": "status", "status": 503, "times": 2},
        {"path": "/v1/completions", "kind": "hang"},
        {"path": "/v1/completions", "kind": "drop"},
    ]
    done = train(tmp_path, fake.port, "--faults.server_timeout", "3")
    assert done.stdout.count("the vLLM server is back") >= 3
    assert apart(tmp_path) < 1e-4


@pytest.mark.apart
def test_a_server_that_stays_away_stops_the_run_which_goes_on_with_the_next_one(tmp_path):
    fake = Fake(TINY)
    fake.faults.append({"path": "/v1/completions", "kind": "die", "skip": 2})
    done = train(tmp_path, fake.port, "--faults.server_wait", "3", code=75)
    assert "stopped: the vLLM server at" in done.stderr and "did not come back in 3 s" in done.stderr
    assert (tmp_path / "out/checkpoint-2/manifest.json").is_file()
    again = train(tmp_path, fake.restarted().port)
    assert "after step 2" in again.stdout and "not exact: vLLM draws other samples" in again.stdout
    assert apart(tmp_path) < 1e-4


def test_a_request_that_the_server_refuses_stops_the_run_at_once(tmp_path):
    fake = Fake(TINY)
    fake.faults.append({"path": "/v1/completions", "kind": "status", "status": 400, "skip": 1})
    done = train(tmp_path, fake.port, code=2)
    assert "refuses: Request failed: 400" in done.stderr
    assert (tmp_path / "out/checkpoint-1/manifest.json").is_file()
