"""Here: the right configuration, a server beside the trainer, and nothing left behind whatever ends first."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ratchet.errors import UserError
from ratchet.launch.local import Division, choose, commands, divide, numbers
from ratchet.launch.request import dotenv, launch_of, masked
from ratchet.launch.supervise import Commands, run

TRAINING = Path(__file__).parents[1] / "training"
QUICK = ["--report", "off", "--logging_steps", "1", "--evaluation.after", "false", "--output_dir", "run"]
# A server that listens at once and loads for a while, or ends, or never comes up; like vLLM it starts a child.
SERVER = """
import http.server, subprocess, sys, time
port, how = int(sys.argv[1]), sys.argv[2]
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("loading weights", flush=True)
if how == "ends":
    print("ValueError: no such model", flush=True)
    sys.exit(3)
began = time.monotonic()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        up = how != "never" and time.monotonic() - began > 0.7
        self.send_response(200 if up else 503)
        self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _launch(root, *overrides, recipe="recipes/aquarat.yaml", config="zero2"):
    return launch_of(root / recipe, overrides, str(root / f"accelerate_configs/{config}.yaml"), None, None, {})


GRACE = 30.0  # seconds for a trainer to finish its step
SERVED = ("vllm_mode", "server")


@pytest.mark.parametrize(
    ("here", "trainer", "inference", "found"),
    [
        (range(8), (6, 7), (0, 1, 2, 3, 4, 5), ((6, 7), (0, 1, 2, 3, 4, 5))),
        (range(8), (), (), ((6, 7), (0, 1, 2, 3, 4, 5))),
        (range(2), (), (), ((1,), (0,))),
        (range(4), (3,), (), ((3,), (0, 1, 2))),
        (range(4), (), (0, 1), ((2, 3), (0, 1))),
    ],
)
def test_gpus_are_split_as_asked_or_a_quarter_trains(root, here, trainer, inference, found):
    divided = divide(_launch(root, SERVED), list(here), trainer, inference)
    assert (divided.trainer, divided.inference) == found


@pytest.mark.parametrize(
    ("overrides", "here", "trainer", "inference", "said"),
    [
        ((SERVED,), range(4), (1,), (0, 1), "cannot be the trainer's and the server's at once"),
        ((SERVED,), range(4), (9,), (), "GPU 9 is not here"),
        ((SERVED,), range(1), (), (), "a GPU for the server and one for the trainer"),
        ((), range(4), (), (0,), "starts no server"),
    ],
)
def test_a_split_that_cannot_be_is_refused(root, overrides, here, trainer, inference, said):
    with pytest.raises(UserError, match=said):
        divide(_launch(root, *overrides), list(here), trainer, inference)


def test_ranges_of_gpus_are_checked():
    for text in ("a", "3-1", "0,0", ""):
        with pytest.raises(UserError, match="gpus"):
            numbers(text, "gpus")


def test_the_configuration_fits_what_is_here(root):
    def name(cpu, header, here):
        config, count = choose(cpu, header, here, root)
        return Path(config).stem, count

    assert name(True, None, 0) == ("cpu", 1)
    assert name(False, "x/zero3.yaml", 1) == ("single_gpu", 1)
    assert name(False, "x/zero3.yaml", 4) == ("zero3", 4)
    assert name(False, "x/single_gpu.yaml", 4) == ("zero2", 4)
    with pytest.raises(UserError, match="there is no GPU here"):
        choose(False, None, 0, root)


def test_the_server_is_started_the_way_trl_wants_it(root):
    launch = _launch(root, SERVED)
    what = commands(launch, Division((6, 7), (0, 1, 2, 3)))
    assert what.serve[:3] == ["vllm", "serve", "Qwen/Qwen3-1.7B"]
    assert '--weight-transfer-config \'{"backend":"nccl"}\'' in what.text()
    assert "--logprobs-mode processed_logprobs" in what.text()
    assert what.serve_environment == {"VLLM_SERVER_DEV_MODE": "1", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    assert what.train_environment == {"CUDA_VISIBLE_DEVICES": "6,7"}


@pytest.mark.parametrize(("gpus", "parallel"), [(1, 1), (4, 4), (6, 4), (8, 8)])
def test_the_server_splits_the_model_so_that_its_heads_divide(root, gpus, parallel):
    assert _launch(root, SERVED).parallel(gpus) == parallel


def test_a_recipe_is_launched_here(script, tmp_path):
    done = script("ratchet", "launch", "recipes/debug/grpo.yaml", "--on", "local", *QUICK, "--max_steps", "2")
    assert "step     2/2" in done.stdout
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] == 2


def _left(folder: Path) -> list[psutil.Process]:
    """Processes that still mention a folder."""
    return [
        p
        for p in psutil.process_iter(["cmdline", "cwd"])
        if any(str(folder) in word for word in [*(p.info["cmdline"] or []), str(p.info["cwd"])])
    ]


def test_the_scripts_own_code_and_sentence_come_last(script):
    words = ("recipes/debug/grpo.yaml", "--on", "local", *QUICK, "--max_completion_length", "100000")
    done = script("ratchet", "launch", *words, code=2)
    assert done.stderr.rstrip().splitlines()[-1].startswith("error: max_completion_length: 100000 leaves no room")


def test_a_detached_run_goes_on_without_its_terminal(script, tmp_path):
    words = ("recipes/debug/grpo.yaml", "--on", "local", *QUICK, "--max_steps", "1")
    said = script("ratchet", "launch", *words, "--detach").stdout
    log, pid = tmp_path / "run.log", int(said.split()[1])
    assert "tail -f run.log" in said and f"kill {pid} " in said
    until = time.monotonic() + 120
    while not (tmp_path / "run/result.json").exists() and time.monotonic() < until:
        time.sleep(0.2)
    assert (tmp_path / "run/result.json").is_file() and "step     1/1" in log.read_text()


@pytest.mark.parametrize("config", [pytest.param("cpu", marks=pytest.mark.slow), "cpu2"])
def test_a_signal_lets_the_trainer_save_and_leaves_nothing(root, tmp_path, config):
    words = [
        sys.executable,
        "-m",
        "ratchet",
        "launch",
        str(root / "recipes/debug/grpo.yaml"),
        "--on",
        "local",
        *QUICK,
        "--max_steps",
        "2000",
    ]
    words += ["--config_file", str(root / f"accelerate_configs/{config}.yaml"), "--output_dir", str(tmp_path / "run")]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    with (tmp_path / "console").open("wb") as console:
        process = subprocess.Popen(words, cwd=tmp_path, env=environ, stdout=console, stderr=subprocess.STDOUT)
    log, until = tmp_path / "run/diagnostics/log.jsonl", time.monotonic() + 120
    while not (log.exists() and '"step": 3' in log.read_text()):
        assert time.monotonic() < until and process.poll() is None, (tmp_path / "console").read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    code = process.wait(100)
    text = (tmp_path / "console").read_text()
    assert "is finished and saved" in text
    assert code == 75 and text.rstrip().splitlines()[-1].startswith("stopped: ")
    assert list((tmp_path / "run").glob("checkpoint-*"))
    assert _left(tmp_path) == []


def _stand_in(tmp_path, how, trainer):
    (tmp_path / "server.py").write_text(SERVER)
    port = free_port()
    return Commands(
        trainer,
        {},
        [sys.executable, str(tmp_path / "server.py"), str(port), how],
        {},
        tmp_path / "vllm.log",
        f"http://127.0.0.1:{port}/health",
    )


@pytest.mark.parametrize(
    ("how", "wait", "said"),
    [
        ("ends", 30, "exit status 3 before it was up.*no such model"),
        ("never", 2, "did not come up in 2 s.*loading weights"),
    ],
)
def test_a_server_that_does_not_come_up_is_said_with_its_log(root, tmp_path, how, wait, said):
    what = _stand_in(tmp_path, how, [sys.executable, "-c", "print('trained')"])
    import re

    with pytest.raises(UserError, match=re.compile(said, re.S)):
        run(what, os.environ, wait, GRACE)
    assert _left(tmp_path) == []


def test_the_trainer_starts_when_the_server_is_up_and_its_end_ends_the_server(root, tmp_path):
    ask = f"import urllib.request, sys; sys.exit(urllib.request.urlopen('URL').status - 193); '{tmp_path}'"
    what = _stand_in(tmp_path, "serves", [])
    what.train = [sys.executable, "-c", ask.replace("URL", what.health)]
    assert run(what, os.environ, 30, GRACE) == 7
    assert _left(tmp_path) == []


@pytest.mark.apart
def test_the_real_trainer_trains_with_a_server_over_http(root, tmp_path):
    sys.path.insert(0, str(TRAINING))
    port, group = free_port(), free_port()
    model = str(root / "src/ratchet/models/tiny")
    serve = (
        f"import sys, time; sys.path.insert(0, {str(TRAINING)!r}); from vllm_on_cpu import Fake; "
        f"Fake({model!r}, {port}); time.sleep(600)"
    )
    settings = (
        f"--use_vllm true --vllm_mode server --vllm_server_base_url http://127.0.0.1:{port} --vllm_group_port {group}"
    )
    train = [
        sys.executable,
        str(TRAINING / "vllm_on_cpu.py"),
        str(root / "recipes/debug/grpo.yaml"),
        *settings.split(),
        *QUICK,
        "--max_steps",
        "2",
    ]
    train[train.index("run")] = str(tmp_path / "run")
    what = Commands(
        train, {}, [sys.executable, "-c", serve], {}, tmp_path / "vllm.log", f"http://127.0.0.1:{port}/health"
    )
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    assert run(what, environ, 60, GRACE) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] == 2


def test_dotenv_fills_what_the_environment_leaves_open(tmp_path):
    (tmp_path / ".env").write_text(
        "# a comment\nLAMBDA_API_KEY='abc def'\nexport HF_TOKEN=two # note\nWANDB_PROJECT=\n"
    )
    found = dotenv(tmp_path, {"HF_TOKEN": "one"})
    assert found == {"HF_TOKEN": "one", "LAMBDA_API_KEY": "abc def"}
    (tmp_path / ".env").write_text("what is this\n")
    with pytest.raises(UserError, match=r"\.env:1: write NAME=value"):
        dotenv(tmp_path, {})


def test_secrets_are_masked_by_their_names():
    assert masked("token abc123xyz, abc", {"HF_TOKEN": "abc123xyz", "HOME": "abc"}) == "token <HF_TOKEN>, abc"


WRONG = [
    (("recipes/demo.yaml",), "--on names the place"),
    (("recipes/demo.yaml", "--on", "moon"), "--on names the place"),
    (
        ("recipes/demo.yaml", "--on", "local", "--max-price", "3"),
        "--max-price is for --on lambda and sky, not for local",
    ),
    (("recipes/demo.yaml", "--on", "local", "--dryrun"), "did you mean --dry-run?"),
    (("--on", "local"), "name a recipe"),
    (("recipes/aquarat.yaml", "--on", "local"), "there is no GPU here"),
    (("recipes/demo.yaml", "--on", "local", "--num_generations", "7"), "this would not run"),
    (("--on", "lambda", "--status"), "LAMBDA_API_KEY is not set"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_the_command_says_what_is_wrong(script, words, said):
    done = script("ratchet", "launch", *words, code=2, LAMBDA_API_KEY="")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
