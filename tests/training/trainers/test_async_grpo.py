"""Asynchronous GRPO: TRL's real trainer and its real child process, against a server over HTTP; only FA3 and NCCL are
replaced."""

import json
import os
import pickle
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.rewards import Sample
from ratchet.tasks import Grade
from ratchet.tasks.packing import pack

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE), str(HERE.parent)]
from vllm_on_cpu import Fake  # noqa: E402

TINY = str(ROOT / "src/ratchet/models/tiny")
QUICK = (
    "--evaluation.before false --evaluation.after false --diagnostics off --report off --logging_steps 1 "
    "--vllm_server_timeout 60"
)
ASYNC = (
    "--use_vllm true --vllm_mode server --asynchronous.max_staleness 2 --asynchronous.token_budget 0 --loss_type dapo"
)


def train(folder: Path, fake: Fake, *more: str, code: int = 0):
    words = [
        sys.executable,
        str(HERE / "async_on_cpu.py"),
        str(ROOT / "recipes/debug/grpo.yaml"),
        *QUICK.split(),
        *ASYNC.split(),
    ]
    words += ["--asynchronous.max_inflight", "8", "--vllm_server_base_url", fake.url, "--output_dir", "out", *more]
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TRL_EXPERIMENTAL_SILENCE": "1",
    }
    env["PYTHONPATH"] = f"{HERE}:{HERE.parent}"
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


def _log(folder: Path) -> list[dict]:
    state = json.loads((folder / "out/trainer_state.json").read_text())
    return [entry for entry in state["log_history"] if "loss" in entry]


@pytest.mark.apart
def test_it_trains_gives_the_server_its_weights_saves_and_goes_on(tmp_path):
    fake = Fake(TINY)
    fake.name = "fake"
    before = {name: value.clone() for name, value in fake.model.named_parameters()}
    save = ("--save_strategy", "steps", "--save_steps", "2", "--learning_rate", "1e-3")
    done = train(tmp_path, fake, "--max_steps", "3", *save)
    assert "step     3/3" in done.stdout
    assert fake.updates >= 3
    assert any((before[name] != value).any() for name, value in fake.model.named_parameters())
    log = _log(tmp_path)
    assert [entry["step"] for entry in log] == [1, 2, 3]
    assert all(entry["sample/staleness_max"] <= 2 for entry in log)
    assert (tmp_path / "out/model.safetensors").is_file()
    kept = torch.load(tmp_path / "out/checkpoint-2/ratchet_state_0.pt", weights_only=True)
    heard = kept["step"]["alarms"]
    assert len(heard["said"]) == len(heard["golds"]) > 0 and set(heard["golds"]) <= set("ABCDE")
    again = train(tmp_path, Fake(TINY), "--max_steps", "4", "--resume-anyway", *save)
    assert "resumes     after step" in again.stdout
    assert "step     4/4" in again.stdout


def test_a_reward_that_raises_ends_the_run_with_a_sentence(tmp_path):
    (tmp_path / "fail").touch()
    done = train(tmp_path, Fake(TINY), "--max_steps", "3", code=2)
    assert "ZeroDivisionError: told to" in done.stderr
    assert "the process that makes rollouts and rewards died" in done.stderr


def test_alarms_hear_whole_lines_of_answers_once(tmp_path):
    from ratchet.training.trainers.async_grpo import Answers

    recipe = load_recipe(ROOT / "recipes/debug/grpo.yaml", environ={})
    row = recipe.task.load("train").rows[0]
    answers = Answers(tmp_path / "answers.jsonl", recipe)
    assert answers.new() == []
    answers.write([Sample("", row, Grade(False, "B"), None, None), Sample("", row, Grade(False, None), None, None)])
    with answers.path.open("a") as file:
        file.write('[["C", ')  # as if it were being written
    gold = recipe.task.gold(row)
    assert answers.new() == [("B", gold), (None, gold)]
    assert answers.new() == []
    with answers.path.open("a") as file:
        file.write('"A"]]\n')
    assert answers.new() == [("C", "A")]


def _called(payload: bytes, completions, ids, columns) -> list:
    return pickle.loads(payload)(
        prompts=[None] * len(completions), completions=completions, completion_ids=ids, **columns
    )


def test_a_reward_in_another_process_is_the_recipes_own_with_its_weight(tmp_path):
    from ratchet.training.trainers.async_grpo import Reward

    overrides = [("rewards.correctness.weight", "2"), ("output_dir", str(tmp_path / "out"))]
    recipe = load_recipe(ROOT / "recipes/debug/grpo.yaml", overrides, environ={})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.as_yaml())
    rows = recipe.task.load("train").rows[:3]
    columns = {"row": [pack(row) for row in rows]}
    completions = [
        [{"role": "assistant", "content": f"Answer: {letter}"}]
        for letter in (rows[0]["correct"], "nothing", rows[2]["correct"])
    ]
    payload = pickle.dumps(Reward(path, 0, "correctness"))
    with get_context("spawn").Pool(1) as pool:
        found = pool.apply(_called, (payload, completions, [[1], [2], [3]], columns))
    assert found == [2.0, 0.0, 2.0]


WRONG = [
    (("vllm_mode", "colocate"), "needs a vLLM server"),
    (("beta", "0.1"), "has no reference model"),
    (("loss_type", "grpo"), "has one loss"),
    (("scale_rewards", "none"), "divides rewards by their deviation"),
    (("evaluation.after", "true"), "cannot evaluate while it trains"),
    (("diagnostics", "on"), "diagnostics: off"),
    (("num_iterations", "2"), "knows no num_iterations"),
    (("asynchronous.max_stale", "2"), "did you mean asynchronous.max_staleness"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_it_cannot_do_is_refused(change, said):
    with pytest.raises(UserError, match=said):
        load_recipe(ROOT / "recipes/aquarat/grpo_async.yaml", [change], environ={"WORLD_SIZE": "8"})


def test_deepspeed_is_refused():
    with pytest.raises(UserError, match="not with DeepSpeed"):
        load_recipe(
            ROOT / "recipes/aquarat/grpo_async.yaml", environ={"WORLD_SIZE": "8", "ACCELERATE_USE_DEEPSPEED": "true"}
        )


def test_the_group_reaches_trls_configuration(tmp_path):
    from ratchet.training.arguments import make_arguments

    recipe = load_recipe(
        ROOT / "recipes/aquarat/grpo_async.yaml",
        [("bf16", "false"), ("asynchronous.max_inflight", "7"), ("asynchronous.queue", "9")],
        environ={},
    )
    recipe.values["use_cpu"] = True
    arguments, _ = make_arguments(recipe)
    assert (arguments.max_staleness, arguments.max_inflight_tasks, arguments.queue_maxsize) == (4, 7, 9)
    assert arguments.dtype == "float32"
    assert arguments.vllm_server_base_url == "http://0.0.0.0:8000"
