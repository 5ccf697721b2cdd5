"""W&B, Trackio and TensorBoard during real runs; W&B's server, which cannot be had, is one on 127.0.0.1 that speaks
its protocol."""

import gzip
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

NAMES = (
    "rl/acc rl/mean_reward rl/kl_letter_mean rl/kl_letter_std rl/kl_sequence_mean rl/kl_sequence_std "
    "rl/letter_margin_mean rl/letter_margin_std "
    "rl/letter_pred_counts/A rl/letter_pred_counts/B rl/letter_pred_counts/C rl/letter_pred_counts/D "
    "rl/letter_pred_counts/E rl/letter_found_frac "
    "rl/group_size rl/avg_completion_len attn/entropy_mean attn/entropy_layer/0 attn/entropy_layer/3 "
    "rollout/mean_reward rollout/max_reward "
    "rollout/min_reward rollout/mean_length advantages/mean advantages/std advantages/frac_zero_spread policy/loss "
    "policy/entropy tokens/mean_logprob "
    "tokens/mean_entropy grad/layer/0 grad/layer/3 grad/other eval/accuracy eval/accuracy_low eval/accuracy_high "
    "eval/exact_match eval/exact_match_low "
    "eval/pass@1 eval/pass@2 eval/pass@4 eval/pass@8 eval/pass@8_low eval/pass@8_high distributed/world_size "
    "time/weight_sync time/rollout time/reward "
    "time/training time/logging time/rollout_min time/rollout_max time/tokens_per_second time/step memory/peak_gib "
    "train/loss train/learning_rate"
).split()
SHORT = (
    "--max_steps",
    "4",
    "--logging_steps",
    "2",
    "--per_device_train_batch_size",
    "32",
    "--evaluation.max_rows",
    "12",
    "--report",
    "off",
    "--audit",
    "off",
)
EVERY = ("--diagnostics.every", "1", "--diagnostics.rows", "32")


def clean(tmp_path: Path, **more: str) -> dict[str, str]:
    """An environment in which no tracker finds the settings of whoever runs the tests."""
    places = {
        name: str(tmp_path / name)
        for name in ("HOME", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "TRACKIO_DIR")
    }
    for place in places.values():
        Path(place).mkdir(exist_ok=True)
    return {**places, "WANDB_API_KEY": "", "WANDB_MODE": "", "WANDB_ERROR_REPORTING": "false", **more}


def read_back(folder: Path) -> list[dict]:
    """The history of an offline run, through wandb's own command line."""
    (run,) = folder.glob("_trackers/wandb/offline-run-*")
    words = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", str(run)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [record["history"]["item"] for record in records if record.get("type") == "history"]


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory, root):
    """One short GRPO run that reports to all three trackers."""
    folder = tmp_path_factory.mktemp("trackers")
    words = [
        sys.executable,
        str(root / "scripts/grpo.py"),
        str(root / "recipes/demo.yaml"),
    ]
    words += [
        *SHORT,
        *EVERY,
        "--evaluation.samples",
        "8",
        "--output_dir",
        "out",
        "--report_to",
        "[wandb, trackio, tensorboard]",
    ]
    words += [
        "--tracking.offline",
        "true",
        "--tracking.project",
        "letters",
        "--tracking.group",
        "g",
        "--tracking.tags",
        "[one, two]",
        "--tracking.figures",
        "true",
    ]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "2",
        "CUDA_VISIBLE_DEVICES": "",
        **clean(folder),
    }
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return folder, done.stdout


def test_wandb_holds_every_figure_under_its_own_name_with_sane_values(everywhere):
    folder, said = everywhere
    rows = read_back(folder / "out")
    found = {}
    for row in rows:
        found.update({name: value for name, value in row.items() if isinstance(value, (int, float))})
    assert all(any(row.get(f"grad/layer/{i}", 0) > 0 for row in rows) for i in range(4))
    assert set(NAMES) <= set(found), sorted(set(NAMES) - set(found))
    for share in ("rl/acc", "rl/letter_found_frac", "advantages/frac_zero_spread", "eval/accuracy", "eval/pass@8"):
        assert 0 <= found[share] <= 1
    assert found["eval/pass@1"] <= found["eval/pass@2"] <= found["eval/pass@4"] <= found["eval/pass@8"]
    assert found["rl/letter_margin_mean"] >= 0 and found["rl/kl_letter_mean"] >= -1e-6
    assert found["rollout/min_reward"] <= found["rollout/mean_reward"] <= found["rollout/max_reward"]
    assert found["rl/group_size"] == 8 and found["distributed/world_size"] == 1
    assert 0 < found["policy/entropy"] < 10 and found["tokens/mean_logprob"] < 0 < found["time/tokens_per_second"]
    assert "wandb sync" in said


def test_histograms_and_tables_are_such_in_wandb(everywhere):
    folder, _ = everywhere
    names = {name for row in read_back(folder / "out") for name in row}
    assert {"rollout/reward_hist.bins", "advantages/value_hist.values", "rl/letter_margin_hist.bins"} <= names
    tables = [
        json.loads(path.read_text())
        for path in (folder / "out").glob("_trackers/wandb/offline-run-*/files/media/table/rl/samples*.table.json")
    ]
    assert tables and all(table["columns"][:3] == ["id", "prompt", "completion"] and table["data"] for table in tables)
    drawn = list((folder / "out").glob("_trackers/wandb/offline-run-*/files/media/plotly/**/*.json"))
    assert any("attn" in str(path) for path in drawn) and any("figures" in str(path) for path in drawn)
    assert len(names) < 250


def test_the_state_and_the_folder_hold_the_same_figures_without_any_tracker(everywhere):
    folder, _ = everywhere
    state = json.loads((folder / "out/trainer_state.json").read_text())["log_history"]
    log = [json.loads(line) for line in (folder / "out/diagnostics/log.jsonl").read_text().splitlines()]
    own = [name for name in NAMES if not name.startswith("train/")]
    for entries in (state, log):
        assert set(own) <= {name for entry in entries for name in entry}


def test_trackio_holds_them_too(everywhere):
    folder, _ = everywhere
    code = (
        "import json; from trackio.sqlite_storage import SQLiteStorage as S; (r,) = S.get_run_records('letters'); "
        "print(json.dumps(sorted({k for row in S.get_logs('letters', r['name'], run_id=r['id']) for k in row})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TRACKIO_DIR": str(folder / "TRACKIO_DIR")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(NAMES) | {"rl/samples", "rollout/reward_hist"} <= set(json.loads(done.stdout.splitlines()[-1]))


def test_tensorboard_holds_them_too(everywhere):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, _ = everywhere
    found = EventAccumulator(str(folder / "out/_trackers/tensorboard"))
    found.Reload()
    assert set(NAMES) <= set(found.Tags()["scalars"])
    assert "rollout/reward_hist" in found.Tags()["histograms"] and "rl/samples/text_summary" in found.Tags()["tensors"]


class Server(BaseHTTPRequestHandler):
    """As much of W&B's server as its client asks of a run."""

    protocol_version = "HTTP/1.1"
    seen: list[str] = []
    runs: list[str] = []

    def log_message(self, *words):
        pass

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def do_GET(self):
        self.answer({})

    def do_PUT(self):
        self.body()
        self.answer({})

    def do_POST(self):
        body = self.body()
        if not self.path.startswith("/graphql"):
            self.seen.append(body.decode("utf-8", "replace"))
            return self.answer({"exitcode": None, "limits": {}})
        query = json.loads(body)
        given = query.get("variables") or {}
        if "upsertBucket" in query["query"]:
            project = {"id": "P", "name": "p", "entity": {"id": "E", "name": "me"}}
            name = given.get("name") or "r"
            self.runs.append(name)
            bucket = {
                "id": "UnVuOjE=",
                "name": name,
                "displayName": name,
                "description": "",
                "config": "{}",
                "sweepName": None,
                "project": project,
                "historyLineCount": 0,
            }
            return self.answer({"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}})
        if "createRunFiles" in query["query"]:
            here = f"http://127.0.0.1:{self.server.server_port}/upload/"
            files = [{"name": file, "uploadUrl": here + file} for file in given.get("files") or []]
            return self.answer({"data": {"createRunFiles": {"runID": "r", "uploadHeaders": [], "files": files}}})
        if "rtifact" in query["query"]:  # tables are kept as artifacts, which are left to the real server
            return self.answer({"errors": [{"message": "no artifacts here"}], "data": None})
        viewer = {"id": "u", "entity": "me", "username": "me", "email": "a@b", "teams": {"edges": []}, "flags": "{}"}
        info = {"cliVersionInfo": {}, "latestLocalVersionInfo": None, "features": []}
        none = {"fields": []}
        return self.answer(
            {
                "data": {
                    "viewer": viewer,
                    "serverInfo": info,
                    "model": {"bucket": None},
                    "project": None,
                    "entity": {"name": "me"},
                    "QueryType": none,
                    "MutationType": none,
                    "ServerInfoType": none,
                }
            }
        )


@pytest.fixture
def server():
    Server.seen, Server.runs = [], []
    made = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()


def online(server, tmp_path):
    return clean(tmp_path, WANDB_BASE_URL=f"http://127.0.0.1:{server.server_port}", WANDB_API_KEY="0" * 40)


@pytest.mark.apart
def test_wandb_online_gets_the_figures_and_a_resumed_run_goes_on_in_the_same_one(script, tmp_path, server):
    words = (
        "scripts/grpo.py",
        "recipes/demo.yaml",
        *SHORT,
        "--report_to",
        "wandb",
        "--output_dir",
        "out",
        "--save_strategy",
        "steps",
        "--save_steps",
        "2",
    )
    done = script(*words, **online(server, tmp_path))
    assert "W&B: http" in done.stdout
    history = "".join(Server.seen)
    assert "rl/acc" in history and "rl/letter_pred_counts/A" in history and "train/rl/acc" not in history
    script(*words, "--resume", "2", **online(server, tmp_path))
    assert len(set(Server.runs)) == 1
    steps = [json.loads(line)["step"] for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


@pytest.mark.apart
def test_a_server_that_goes_away_in_the_middle_costs_a_warning(script, tmp_path, server):
    def leave(*words):
        Server.runs.append("gone")
        server.shutdown()
        server.server_close()

    upsert = Server.do_POST

    def until_history(self):
        if not self.path.startswith("/graphql"):
            threading.Thread(target=leave).start()
        return upsert(self)

    Server.do_POST = until_history
    try:
        words = ("scripts/grpo.py", "recipes/demo.yaml", *SHORT, "--report_to", "wandb", "--output_dir", "out")
        done = script(*words, timeout=400, **online(server, tmp_path), WANDB_FINISH_TIMEOUT="5")
    finally:
        Server.do_POST = upsert
    assert "gone" in Server.runs
    assert "accuracy after" in done.stdout
    assert list((tmp_path / "out").glob("_trackers/wandb/run-*/run-*.wandb"))


@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({"WANDB_API_KEY": ""}, "not logged in"),
        (
            {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_INIT_TIMEOUT": "3"},
            "cannot be reached",
        ),
    ],
)
def test_wandb_without_a_login_or_a_network_keeps_the_run_offline(script, tmp_path, environment, remedy):
    words = (
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        "--max_steps",
        "2",
        "--report_to",
        "wandb",
        "--output_dir",
        "out",
        "--report",
        "off",
        "--logging_steps",
        "1",
    )
    done = script(*words, **{**clean(tmp_path), **environment})
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("warning: W&B")]
    assert remedy in line and "wandb sync" in line
    assert any("policy/loss" in row for row in read_back(tmp_path / "out"))


@pytest.mark.parametrize(
    "name", ["wandb", *(pytest.param(name, marks=pytest.mark.slow) for name in ("trackio", "tensorboard"))]
)
def test_a_tracker_that_is_not_installed_costs_a_warning(script, tmp_path, name):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        f"import sys\nsys.modules[{name!r}] = None\n"
    )  # as if it were not there
    words = (
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        "--max_steps",
        "1",
        "--report_to",
        name,
        "--output_dir",
        "out",
        "--report",
        "off",
    )
    done = script(*words, PYTHONPATH=str(tmp_path / "hidden"), **clean(tmp_path))
    assert f"warning: {name} gets nothing" in done.stdout and "pip install" in done.stdout
    assert "Traceback" not in done.stderr
