"""Evaluating what answers behind a server with OpenAI's API: the real client over real HTTP."""

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("chat_server", Path(__file__).resolve().parents[1] / "chat_server.py")
chat_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat_server)

ROWS = ("--data.generated.validation", "30", "--output", "found.json")


def letter(messages: list[dict]) -> str:
    """An answer that depends on the question alone, often wrong, sometimes none."""
    return ("Answer: " + "ABCDE?"[len(messages[-1]["content"]) % 6]).replace("Answer: ?", "")


@pytest.fixture
def server():
    return chat_server.ChatServer(letter)


def ask(script, server, *more: str, **options):
    return script("ratchet", "evaluate", "recipes/demo.yaml", "--server", server.url, *ROWS, *more, **options)


def test_a_server_is_judged_by_the_grader_that_judges_everything(script, tmp_path, server):
    from ratchet.recipe import load_recipe

    done = ask(script, server)
    found = json.loads((tmp_path / "found.json").read_text())
    task = load_recipe(
        Path(__file__).parents[2] / "recipes/demo.yaml", [("data.generated.validation", "30")], environ={}
    ).task
    rows = task.load("validation").rows
    right = [task.grade(letter(task.messages(row)), row).correct for row in rows]
    assert found["n"] == 30 and found["accuracy"] == sum(right) / 30 and 0 < sum(right) < 30
    kept = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [entry["correct"] for entry in kept] == right
    assert f"{found['accuracy']:.3f} [" in done.stdout and not (tmp_path / "found.partial.jsonl").exists()
    assert all(request["temperature"] == 0 and request["max_tokens"] == 40 for request in server.requests)


def test_samples_are_asked_for_with_seeds_of_their_own(script, tmp_path, server):
    ask(script, server, "--evaluation.samples", "3", "--evaluation.max_rows", "4")
    assert sorted(r["seed"] for r in server.requests if r["temperature"]) == sorted([0, 1, 2] * 4)
    assert json.loads((tmp_path / "found.json").read_text())["pass_at_k"]["1"]["n"] == 4


def test_passing_trouble_is_tried_again(script, server):
    server.faults += [500, 429, "garbage", "half", 503, "garbage"]
    done = ask(script, server, "--concurrency", "2")
    assert "accuracy" in done.stdout and len({json.dumps(request["messages"]) for request in server.requests}) == 30


def test_a_stopped_evaluation_asks_only_for_what_is_missing(script, tmp_path, server):
    server.faults += [None] * 18 + [400]
    stopped = ask(script, server, "--concurrency", "1", code=2)
    (kept,) = re.findall(
        r"(\d+) answers are kept in found.partial.jsonl; the same command resumes with them", stopped.stderr
    )
    assert 18 <= int(kept) < 30
    with (tmp_path / "found.partial.jsonl").open("a") as file:
        file.write('{"key": "torn')
    server.requests.clear()
    server.faults.clear()
    done = ask(script, server)
    assert len(server.requests) == 30 - int(kept)
    assert f"found.partial.jsonl has {kept} of the answers already; asking for {30 - int(kept)}" in done.stdout


def test_an_interrupted_evaluation_keeps_every_answer_once(tmp_path, server, root):
    answer, server.answer = server.answer, lambda messages: time.sleep(0.2) or answer(messages)
    words = [
        sys.executable,
        "-m",
        "ratchet",
        "evaluate",
        str(root / "recipes/demo.yaml"),
        "--server",
        server.url,
        *ROWS,
        "--concurrency",
        "2",
    ]
    asking = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while len(server.requests) < 6:
        time.sleep(0.02)
    asking.send_signal(signal.SIGINT)
    said = asking.communicate(timeout=60)[1]
    assert asking.returncode == 130 and "answers are kept in found.partial.jsonl" in said and "Traceback" not in said
    keys = [json.loads(line)["key"] for line in (tmp_path / "found.partial.jsonl").read_text().splitlines()]
    assert len(keys) == len(set(keys)) == len(server.requests)


def test_a_reader_that_leaves_loses_no_result(tmp_path, server, root):
    words = [
        sys.executable,
        "-m",
        "ratchet",
        "evaluate",
        str(root / "recipes/demo.yaml"),
        "--server",
        server.url,
        *ROWS,
    ]
    asking = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    asking.stdout.close()
    asking.wait(60)
    assert json.loads((tmp_path / "found.json").read_text())["n"] == 30


def test_other_settings_do_not_take_answers_that_were_kept(script, server):
    server.faults += [None] * 5 + [400]
    ask(script, server, "--concurrency", "1", code=2)
    server.requests.clear()
    ask(script, server, "--evaluation.max_new_tokens", "7")
    assert len(server.requests) == 30


@pytest.mark.parametrize(
    ("faults", "more", "said"),
    [
        ([401] * 40, (), "refuses the key in OPENAI_API_KEY (401)"),
        ([500] * 99, ("--retries", "1"), "still answers 500 after 2 tries"),
        (["garbage"] * 99, ("--retries", "1"), "answers what is no chat completion"),
        (["hang"] * 99, ("--retries", "0", "--timeout", "0.5"), "did not answer within 0.5 s (1 times)"),
        ([], ("--model", "nix"), "has no model nix under this name"),
    ],
    ids=["key", "errors", "garbage", "hangs", "model"],
)
def test_a_server_that_is_of_no_use_is_explained(script, server, faults, more, said):
    server.faults += faults
    done = ask(script, server, *more, code=2)
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_server_that_is_not_there_is_said(script, server):
    server.http.shutdown()
    server.http.server_close()
    done = ask(script, server, "--model", "stub", "--retries", "0", code=2)
    assert "cannot be reached" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--server", "127.0.0.1:8000"), "is no address"),
        (("--model",), "--model needs a value"),
        (
            ("--server", "http://127.0.0.1:9", "--key-variable", "NOT_THERE"),
            "the environment variable NOT_THERE is not set",
        ),
        (("--concurrency", "4"), "--concurrency goes with --server URL"),
        (
            ("--server", "http://127.0.0.1:9", "--concurrency", "none"),
            "--concurrency takes a number from 1 on, not none",
        ),
    ],
)
def test_a_mistyped_command_is_said(script, words, said):
    assert said in script("ratchet", "evaluate", "recipes/demo.yaml", *words, code=2).stderr


def test_which_of_several_models_is_asked_for(script):
    server = chat_server.ChatServer(letter, ("one", "two"))
    assert "has one, two; choose with --model NAME" in ask(script, server, code=2).stderr


def test_the_key_goes_to_the_server_and_nowhere_else(script, tmp_path, server):
    ask(script, server, "--key-variable", "MY_KEY", MY_KEY="sk-secret-of-mine")
    assert server.keys == {"Bearer sk-secret-of-mine"}
    assert all("sk-secret" not in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def test_a_real_server_gives_what_the_model_gives_here(script, tmp_path, root):
    """transformers' own server, with the tiny model; its generation_config.json asks for what the recipe does not."""
    model = tmp_path / "tiny"
    shutil.copytree(root / "src/ratchet/models/tiny", model)
    own = json.loads((model / "generation_config.json").read_text())
    own |= {"repetition_penalty": 3.0, "no_repeat_ngram_size": 2, "min_new_tokens": 30}
    (model / "generation_config.json").write_text(json.dumps(own))
    port = str(chat_server.ThreadingHTTPServer(("127.0.0.1", 0), None).server_address[1])
    home = tmp_path / "home"
    (home / "hub").mkdir(parents=True)
    words = [
        str(Path(sys.executable).with_name("transformers")),
        "serve",
        str(model),
        "--device",
        "cpu",
        "--port",
        port,
    ]
    log = (tmp_path / "log.txt").open("w")
    env = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    serving = subprocess.Popen(words, stdout=log, stderr=log, env=env)
    try:
        until = time.monotonic() + 120
        while "startup complete" not in (tmp_path / "log.txt").read_text() and time.monotonic() < until:
            assert serving.poll() is None, (tmp_path / "log.txt").read_text()
            time.sleep(0.2)
        rows = ("--data.generated.validation", "12")
        script(
            "ratchet",
            "evaluate",
            "recipes/demo.yaml",
            *rows,
            "--chat_template_kwargs.mood",
            "brief",
            "--server",
            f"http://127.0.0.1:{port}/v1",
            "--model",
            str(model),
            "--output",
            "there.json",
        )
        here = ("--model", str(model), "--output", "here.json", "--completions", "here.jsonl")
        script("ratchet", "evaluate", "recipes/demo.yaml", *rows, *here)
    finally:
        serving.kill()
    there, here = (
        [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("there", "here")
    )
    assert [(a["completion"], a["correct"]) for a in there] == [(a["completion"], a["correct"]) for a in here]


def test_a_server_can_be_talked_to_and_its_answers_to_rows_are_graded(script, server):
    talked = script("ratchet", "chat", "ratchet-tiny", "--server", server.url, stdin="What is it??\n\n").stdout
    assert letter(server.requests[-1]["messages"]) in talked and "tokens, " in talked
    shown = script("ratchet", "chat", "ratchet-tiny", "--server", server.url, "--row", "3", stdin="q\n").stdout
    asked = server.requests[-1]["messages"]
    assert f"[assistant]\n{letter(asked)}" in shown and "--- answer" in shown and "reward" in shown
    gone = script("ratchet", "chat", "ratchet-tiny", "--server", "http://127.0.0.1:9/v1", "--row", "3", code=2)
    assert "does not list its models" in gone.stderr and "name one with --served-model" in gone.stderr
