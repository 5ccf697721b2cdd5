"""The real vLLM, on a CPU: as the engine inside GRPO, and as a server."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from ratchet.doctor import network
from ratchet.errors import UserError
from ratchet.integrations import vllm_cpu
from ratchet.launch.request import SERVE_ENVIRONMENT
from ratchet.models import served_copy
from ratchet.runtime import VLLM_ON_A_CPU
from ratchet.tasks import AquaRat

pytestmark = pytest.mark.apart

ROOT = Path(__file__).resolve().parents[2]
SHORT = (
    *("--max_steps", "4", "--evaluation.before", "false", "--evaluation.after", "false", "--report", "off"),
    *("--per_device_train_batch_size", "32", "--audit", "off"),
)
LORA = ("--use_peft", "true", "--lora_r", "8", "--lora_target_modules", "[all-linear]", "--lora_dropout", "0.0")
AWAY = "sampling/sampling_logp_difference"


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """Of the environment with vLLM for CPUs, which is made once; the tests are skipped where it cannot be."""
    try:
        return vllm_cpu.python()
    except UserError as error:
        pytest.skip(f"no vLLM for CPUs: {str(error).splitlines()[0]}")


@pytest.fixture
def train(interpreter, finish, tmp_path):
    """Train ``recipes/debug/vllm_cpu.yaml`` and give what it printed and logged."""

    def run(*words: str, output: str = "out", launch: tuple[str, ...] = (), code: int = 0):
        script = ("scripts/grpo.py", "recipes/debug/vllm_cpu.yaml")
        words = (*launch, *(str(ROOT / word) for word in script), *words, "--output_dir", output)
        done = finish([str(interpreter), *words], tmp_path, 600, PYTHONPATH=str(ROOT / "src"), OMP_NUM_THREADS="1")
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-4000:]
        return done, logged(tmp_path / output) if code == 0 else []

    return run


def logged(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "diagnostics/log.jsonl").read_text().splitlines()]
    return [line for line in lines if f"{AWAY}/mean" in line]


def test_the_engine_inside_samples_what_is_trained_and_grpo_learns(train, tmp_path):
    done, lines = train()
    result = json.loads((tmp_path / "out/result.json").read_text())
    assert result["before"]["high"] < 0.3 and result["after"]["low"] > 0.8
    assert all(line[f"{AWAY}/mean"] < 1e-6 and line[f"{AWAY}/max"] < 1e-4 for line in lines) and len(lines) == 12
    assert lines[0]["weights/sampler_apart"] == 0.0 and "alarm" not in done.stdout


def test_an_adapter_is_merged_for_the_engine(train):
    _, lines = train(*SHORT, *LORA)
    assert all(line[f"{AWAY}/mean"] < 1e-5 for line in lines) and len(lines) == 4


def test_a_stopped_run_goes_on_bit_for_bit(train, tmp_path):
    save = ("--save_strategy", "steps", "--save_steps", "2")
    train(*SHORT, *save, output="whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "half")
    shutil.rmtree(tmp_path / "half/checkpoint-4")
    (tmp_path / "half/result.json").unlink()
    done, _ = train(*SHORT, *save, output="half")
    assert "after step 2, from half/checkpoint-2" in done.stdout and "not exact" not in done.stdout
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "half"))
    assert all(one[key].equal(two[key]) for key in one)


@pytest.mark.parametrize("split", [1, 2])
def test_two_processes_have_an_engine_each_or_one_together(train, split):
    launch = ("-m", "accelerate.commands.launch", "--config_file", str(ROOT / "accelerate_configs/cpu2.yaml"))
    launch += ("--main_process_port", "0")
    _, lines = train(*SHORT, "--vllm_tensor_parallel_size", str(split), launch=launch)
    assert all(line[f"{AWAY}/mean"] < 1e-5 for line in lines) and len(lines) == 4


WRONG = """
import runpy, sys, torch
from trl.generation import vllm_generation
sync = vllm_generation.VLLMGeneration.sync_weights
def wrong(self):
    sync(self)
    def change(model):
        with torch.no_grad():
            dict(model.named_parameters())["model.layers.1.mlp.down_proj.weight"].mul_(1.0001)
    self.llm.apply_model(change)
vllm_generation.VLLMGeneration.sync_weights = wrong
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_an_engine_with_another_tensor_is_found_at_once(train, tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    done, _ = train(*SHORT, launch=(str(tmp_path / "wrong.py"),))
    assert "alarm sampler-disagrees: the engine's weights differ from the trainer's by" in done.stdout


def test_an_engine_of_another_type_is_seen(train):
    done, lines = train(*SHORT, "--dtype", "bfloat16", *LORA)
    assert 1e-4 < lines[0][f"{AWAY}/mean"] < 0.03 and "alarm" not in done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _serve(interpreter: Path, log: Path, model: Path, port: int, *more: str) -> subprocess.Popen:
    """A server that is up."""
    words = [interpreter.with_name("vllm"), "serve", model, "--host", "127.0.0.1", "--port", port, *more]
    words += ["--dtype", "float32", "--max-model-len", 256, "--enforce-eager"]
    environ = {**os.environ, **VLLM_ON_A_CPU, **SERVE_ENVIRONMENT, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as out:
        server = subprocess.Popen(list(map(str, words)), stdout=out, stderr=out, env=environ, start_new_session=True)
    for _ in range(240):
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
            break
        assert server.poll() is None, log.read_text()[-3000:]
        time.sleep(1)
    return server


def _wait_until_closed(port: int) -> None:
    for _ in range(60):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return
        time.sleep(1)
    raise AssertionError("the server still listens")


@pytest.fixture(scope="session")
def served(interpreter, tmp_path_factory):
    """A server with the embedded model: its address, and its process."""
    log, port = tmp_path_factory.mktemp("served") / "log", _free_port()
    server = _serve(interpreter, log, ROOT / "src/ratchet/models/tiny", port, "--served-model-name", "tiny")
    yield f"http://127.0.0.1:{port}/v1", psutil.Process(server.pid)
    with suppress(OSError):
        os.killpg(server.pid, signal.SIGKILL)


def test_a_server_answers_as_the_model_itself_does(script, tmp_path, served):
    words = ("ratchet", "evaluate", "recipes/demo.yaml", "--evaluation.max_rows", "60")
    script(*words, "--output", "here.json", "--completions", "here.jsonl")
    script(*words, "--server", served[0], "--output", "there.json", "--completions", "there.jsonl")
    here, there = (
        [json.loads(line)["completion"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("here", "there")
    )
    assert here == there and len(here) == 60


def test_a_real_language_model_answers_behind_a_server_as_it_does_here(interpreter, script, tmp_path, smollm2):
    port = _free_port()
    server = _serve(interpreter, tmp_path / "log", smollm2, port, "--served-model-name", "smollm2")
    words = ("ratchet", "evaluate", "recipes/smollm2/sft.yaml", "--data.held_out", "12")
    words += ("--evaluation.max_new_tokens", "24", "--model_name_or_path", str(smollm2))
    there = ("--server", f"http://127.0.0.1:{port}/v1", "--model", "smollm2")
    try:
        for name, more in (("here", ("--model", str(smollm2))), ("there", there)):
            script(*words, *more, "--output", f"{name}.json", "--completions", f"{name}.jsonl")
    finally:
        os.killpg(server.pid, signal.SIGKILL)
    texts = [
        [json.loads(line)["completion"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        for name in ("here", "there")
    ]
    assert texts[0] == texts[1] and len(texts[0]) == 12


def test_a_row_that_is_longer_than_the_servers_model_does_not_end_an_evaluation(script, served):
    words = ("ratchet", "evaluate", "recipes/demo.yaml", "--server", served[0], "--evaluation.max_rows", "8")
    done = script(*words, "--evaluation.max_new_tokens", "230", "--output", "long.json")
    assert "(n = 8)" in done.stdout
    assert "rows are longer than the server's model: their answers get what is left" in done.stderr
    said = script(*words, "--evaluation.max_new_tokens", "300", "--output", "longer.json", code=2).stderr
    assert "serves a model of 256 tokens, and answers may have 300" in said


def test_vf_eval_scores_its_answers_as_the_grader_does(finish, tmp_path, served):
    command = Path(sys.executable).with_name("vf-eval")
    if not command.is_file():
        pytest.skip("verifiers is not installed (extra: verifiers)")
    words = [str(command), "ratchet-aquarat", "-m", "tiny", "--client.base-url", served[0], "--no-push", "--no-rich"]
    words += ["-n", "12", "-o", "out", "--run.name", "run", "--env.taskset.data-dir", "generated"]
    words += ["--sampling.max-tokens", "40", "--sampling.temperature", "0"]
    places = f"{ROOT / 'environments/aquarat'}:{ROOT / 'src'}"
    done = finish(words, tmp_path, 300, PYTHONPATH=places, HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    episodes = [json.loads(line) for line in (tmp_path / "out/run/traces.jsonl").read_text().splitlines()]
    task, answers = AquaRat(source="generated"), []
    for episode in episodes:
        (trace,) = episode["traces"]
        answers.append(trace["nodes"][-1]["message"].get("content") or "")
        grade = task.grade(answers[-1], trace["task"]["data"]["row"])
        assert trace["rewards"]["correctness"]["score"] == float(grade.correct)
    assert len(episodes) == 12 and all(answers), answers


def test_the_doctor_asks_for_a_token(served, monkeypatch):
    url, process = served
    texts = [one.text for one in network.vllm_server(url)]
    assert "makes tokens" in texts, texts
    monkeypatch.setattr(network, "PATIENCE", 3)
    engine = process.children(recursive=True)
    for child in engine:
        child.suspend()
    try:
        texts = [one.text for one in network.vllm_server(url)]
    finally:
        for child in engine:
            child.resume()
    assert any("healthy" in text for text in texts) and any("makes no token within 3 s" in text for text in texts)


def test_the_flagship_recipe_runs_with_a_small_model_in_place_of_its_own(interpreter, finish, tmp_path):
    words = [str(interpreter), str(ROOT / "scripts/grpo.py"), str(ROOT / "recipes/aquarat.yaml"), *SHORT]
    words += ["--model_name_or_path", "ratchet-tiny", "--chat_template_kwargs", "{}", "--data.source", "generated"]
    words += [
        "--use_cpu",
        "true",
        "--bf16",
        "false",
        "--max_completion_length",
        "40",
        "--vllm_max_model_length",
        "256",
    ]
    words += ["--rewards.overlong.cache", "16", "--eval_strategy", "no", "--logging_steps", "1", "--output_dir", "out"]
    done = finish([*words, "--vllm_gpu_memory_utilization", "0.1"], tmp_path, 300, PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert len(logged(tmp_path / "out")) == 4


SERVED = "recipes/debug/vllm_server_cpu.yaml"


@pytest.mark.parametrize("adapter", [(), LORA], ids=["full", "lora"])
def test_a_server_is_started_takes_the_weights_of_each_step_and_is_ended(
    interpreter, finish, running, tmp_path, adapter
):
    words = ("-m", "ratchet", "launch", str(ROOT / SERVED), "--on", "local", "--output_dir", "out", *adapter)
    words += ("--vllm_server_port", str(_free_port()), "--evaluation.before", "false", "--max_steps", "8")
    done = finish([str(interpreter), *words], tmp_path, 600, PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    lines = logged(tmp_path / "out")
    assert len(lines) == 8 and all(line[f"{AWAY}/mean"] < 1e-5 and line[f"{AWAY}/max"] < 1e-4 for line in lines)
    assert adapter or lines[-1]["reward"] > 0.8
    assert running(str(tmp_path / "out.served")) == []


def test_a_server_whose_engine_is_killed_is_waited_for_and_joined_again(interpreter, finish, tmp_path):
    port, copy, steps = _free_port(), tmp_path / "copy", tmp_path / "out/diagnostics/log.jsonl"
    served_copy.make(ROOT / "src/ratchet/models/tiny", copy)
    server = _serve(interpreter, tmp_path / "log", copy, port)
    words = ("scripts/grpo.py", SERVED)
    settings = ("--output_dir", "out", "--vllm_server_port", str(port), "--max_steps", "12", *SHORT[2:])
    with ThreadPoolExecutor() as pool:
        command = [str(interpreter), *(str(ROOT / word) for word in words), *settings]
        training = pool.submit(finish, command, tmp_path, 600, PYTHONPATH=str(ROOT / "src"))
        while not (steps.exists() and '"step": 3,' in steps.read_text()):
            assert not training.done(), training.result().stdout + training.result().stderr[-3000:]
            time.sleep(0.2)
        engine = psutil.Process(server.pid).children(recursive=True)
        for strike in ("suspend", "kill"):
            for child in engine:
                with suppress(psutil.NoSuchProcess):
                    getattr(child, strike)()
            time.sleep(2)  # so that a call of the engine is open when it dies
        _wait_until_closed(port)
        server.kill()  # vLLM waits for the open call, which nobody answers
        second = _serve(interpreter, tmp_path / "log2", copy, port)
        done = training.result()
    os.killpg(second.pid, signal.SIGKILL)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "the vLLM server failed" in done.stdout and "the vLLM server is back" in done.stdout
    lines = logged(tmp_path / "out")
    assert len(lines) == 12 and all(line[f"{AWAY}/mean"] < 1e-5 for line in lines)


def test_a_server_whose_model_would_be_overwritten_is_refused(train, served):
    port = served[0].rpartition(":")[2].removesuffix("/v1")
    done, _ = train(*SHORT, "--vllm_mode", "server", "--vllm_server_port", port, code=2)
    assert "which would be overwritten" in done.stderr and "Traceback" not in done.stderr


def test_sleep_mode_is_refused_with_a_sentence(train):
    done, _ = train("--vllm_enable_sleep_mode", "true", code=2)
    assert "vLLM cannot sleep on a CPU" in done.stderr and "Traceback" not in done.stderr


def test_the_same_recipe_without_vllm_for_cpus_says_how_to_start_it(script):
    said = script("scripts/grpo.py", "recipes/debug/vllm_cpu.yaml", code=2).stderr
    assert "start with $(python -m ratchet.integrations.vllm_cpu) instead of python" in said


def test_the_interpreter_can_be_asked_for(interpreter):
    done = subprocess.run([sys.executable, "-m", "ratchet.integrations.vllm_cpu"], capture_output=True, text=True)
    assert done.stdout.strip() == str(interpreter)


def test_a_teacher_behind_a_server_scores_as_the_same_model_does_here(finish, tmp_path, served):
    worker = ROOT / "tests/training/distillation/naive_worker.py"
    words = [sys.executable, str(worker), str(tmp_path / "out"), "--distillation.teacher", served[0]]
    done = finish(words, tmp_path, 300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["apart"] < 2e-4 and found["tokens"] > 100


def test_a_server_gives_the_likeliest_tokens_that_the_same_model_has_here(script, tmp_path, served):
    options = ("--report", "off", "--evaluation.after", "false", "--audit.mode", "off", "--max_steps", "2")
    options += (
        "--distillation.form",
        "top_k",
        "--distillation.measure",
        "16",
        "--distillation.must_be_better",
        "false",
    )
    options += ("--distillation.context", "Count.")
    found = []
    for name, teacher in (("there", served[0]), ("here", "ratchet-tiny")):
        words = ("--output_dir", name, "--distillation.teacher", teacher, *options)
        assert (
            "teacher                    accuracy"
            in script("scripts/grpo.py", "recipes/debug/grpo.yaml", *words).stdout
        )
        log = [json.loads(line) for line in (tmp_path / name / "diagnostics/log.jsonl").read_text().splitlines()]
        result = json.loads((tmp_path / name / "result.json").read_text())["distillation"]
        found.append(([line["distill/top_k"] for line in log if "loss" in line], result["teacher"]["accuracy"]))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-3) and found[0][1] == found[1][1]
