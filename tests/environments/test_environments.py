"""The verifiers packages: evaluated by the real vf-eval against a server on 127.0.0.1, every reward compared with the
grader."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "environments/README.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("chat_server", ROOT / "tests/chat_server.py")
chat_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chat_server)
pytest.importorskip("verifiers", reason="verifiers is not installed (extra: verifiers)")
VF_EVAL = str(Path(sys.executable).with_name("vf-eval"))
PLACES = ":".join(str(ROOT / "environments" / name) for name in ("aquarat", "dakota", "dataset"))


def letter(messages: list[dict]) -> str | None:
    """With blanks around it, and sometimes nothing."""
    return ("  Answer: " + "ABCDE?"[len(messages[-1]["content"]) % 6] + " ").replace("  Answer: ? ", "") or None


def word(messages: list[dict]) -> str:
    """Mostly wrong; a word of the question."""
    words = re.findall(r"\w+", messages[-1]["content"])
    return f"Final answer: {words[len(words) % 7]}"


def evaluate(folder: Path, name: str, url: str, *more: str, where: str = PLACES, command: str = VF_EVAL) -> list[dict]:
    words = [
        command,
        name,
        "-m",
        "stub",
        "--client.base-url",
        url,
        "--no-push",
        "--no-rich",
        "-o",
        "out",
        "--run.name",
        "run",
        "--clean",
        *more,
    ]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": where, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder / "out/run/traces.jsonl").read_text().splitlines()]


def compare(episodes: list[dict], task, answer, rewards) -> list[float]:
    """Every reward and metric with what the grader says of the answer; returns the first of the rewards."""
    values = []
    for episode in episodes:
        (trace,) = episode["traces"]
        row = trace["task"]["data"]["row"]
        grade = task.grade(answer(task.messages(row)) or "", row)
        assert {name: reward["score"] for name, reward in trace["rewards"].items()} == rewards(grade)
        assert trace["metrics"] == dict(grade.components)
        assert [n["message"].get("content") for n in trace["nodes"]][:-1] == [m["content"] for m in task.messages(row)]
        values.append(trace["rewards"]["correctness"]["score"])
    return values


def test_rewards_of_real_rows_are_the_graders(tmp_path, aqua_folder):
    from ratchet.tasks import AquaRat

    server = chat_server.ChatServer(letter)
    episodes = evaluate(
        tmp_path, "ratchet-aquarat", server.url, "-n", "40", "--env.taskset.data-dir", str(aqua_folder)
    )
    values = compare(episodes, AquaRat(), letter, lambda grade: {"correctness": float(grade.correct)})
    assert len(values) == 40 and 0 < sum(values) < 40


def test_rewards_of_dakota_are_the_graders(tmp_path):
    from ratchet.tasks import Dakota

    server = chat_server.ChatServer(word)
    credit = (
        "--env.taskset.task.rewards.partial_credit.weight",
        "1",
        "--env.taskset.task.rewards.correctness.weight",
        "0",
    )
    more = ("--env.taskset.data-dir", "generated", "--env.taskset.num-eval-examples", "30", *credit)
    episodes = evaluate(tmp_path, "ratchet-dakota", server.url, *more)
    compare(
        episodes,
        Dakota(source="generated"),
        word,
        lambda g: {"correctness": float(g.correct), "partial_credit": g.components["score"]},
    )
    assert len(episodes) == 30 and {
        t["rewards"]["partial_credit"]["weight"] for e in episodes for t in e["traces"]
    } == {1.0}


def test_prompt_and_sampling_of_a_recipe_reach_the_server(tmp_path):
    server = chat_server.ChatServer(letter)
    (tmp_path / "sampling.toml").write_text(re.search(r"```toml\n(.*?)```", README, re.DOTALL).group(1))
    more = ("-n", "1", "--env.taskset.data-dir", "generated", "@", "sampling.toml")
    evaluate(tmp_path, "ratchet-aquarat", server.url, *more)
    (request,) = server.requests
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    assert request["temperature"] == 0.0 and 512 in (request.get("max_tokens"), request.get("max_completion_tokens"))


def test_failed_rollouts_are_told_though_vf_eval_does_not(tmp_path):
    server = chat_server.ChatServer(letter)
    server.faults += [400] * 100
    evaluate(tmp_path, "ratchet-aquarat", server.url, "-n", "2", "--env.taskset.data-dir", "generated")
    told = subprocess.run(
        [sys.executable, "-m", "ratchet.integrations.verifiers", "out/run"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 1 and "0 rollouts" in told.stdout and "2 failed" in told.stdout


def test_rewards_of_rows_of_ones_own_are_the_graders(tmp_path):
    from ratchet.tasks.dataset.task import Dataset

    rows = [{"question": f"What is {a} plus {a}?", "answer": 2 * a} for a in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    server = chat_server.ChatServer(lambda messages: f"Answer: {len(messages[-1]['content']) % 3 * 8}")
    data = {"grader": "number", "validation_share": 0.5}
    more = (
        "-n",
        "8",
        "--env.taskset.data-dir",
        str(tmp_path / "rows.jsonl"),
        "--env.taskset.task.data",
        json.dumps(data),
    )
    episodes = evaluate(tmp_path, "ratchet-dataset", server.url, *more)
    task = Dataset(source=str(tmp_path / "rows.jsonl"), **data)
    compare(
        episodes,
        task,
        lambda m: f"Answer: {len(m[-1]['content']) % 3 * 8}",
        lambda g: {"correctness": float(g.correct)},
    )


def loaded(name: str, **arguments):
    """Rows of a taskset with arguments, in this process."""
    sys.path[:0] = PLACES.split(":")
    module = importlib.import_module(f"ratchet_{name}.taskset")
    kind = {"aquarat": "AquaRat", "dakota": "Dakota"}[name]
    config = getattr(module, f"{kind}Config")(**{"data_dir": "generated", **arguments})
    return [task.data for task in getattr(module, f"{kind}Taskset")(config).load()]


def test_the_arguments_choose_the_rows():
    assert len(loaded("aquarat")) == 500 and loaded("aquarat")[0].id == "validation-0"
    assert len(loaded("aquarat", eval_split="test", num_eval_examples=7)) == 7
    assert {
        row.id.split("-")[0]
        for row in loaded("aquarat", split="train", train_split="validation", num_train_examples=9)
    } == {"validation"}
    assert [row.row for row in loaded("aquarat", seed=1)] != [row.row for row in loaded("aquarat", seed=2)]
    assert {row.row["kind"] for row in loaded("dakota", kinds=["affix_insertion"])} == {"affix_insertion"}


def test_the_arguments_choose_what_is_shown(tmp_path):
    (tmp_path / "system.txt").write_text("Think.")
    assert {row.system_prompt for row in loaded("aquarat", system_prompt="Be brief.", num_eval_examples=3)} == {
        "Be brief."
    }
    assert loaded("aquarat", system_prompt=str(tmp_path / "system.txt"))[0].system_prompt == "Think."
    assert (
        "rationale" in loaded("aquarat")[0].row
        and "rationale" not in loaded("aquarat", include_rationale_metadata=False)[0].row
    )


def test_the_hubs_files_are_kept_where_one_says(tmp_path, monkeypatch):
    import os

    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, "before")
    loaded("aquarat", cache_dir=str(tmp_path))
    assert os.environ["HF_HUB_CACHE"] == str(tmp_path / "hub") and os.environ["HF_DATASETS_CACHE"] == str(
        tmp_path / "datasets"
    )


def test_a_reward_and_a_data_set_of_ones_own_work_as_the_readme_shows(tmp_path):
    brief, module = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    own = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "my_task.py").write_text(next(block for block in own if "class Reverse" in block))
    (tmp_path / "brief.py").write_text(brief)
    (tmp_path / "my_environment.py").write_text(module)
    server = chat_server.ChatServer(lambda messages: messages[-1]["content"].split()[1][::-1])
    rewards = (
        "--env.taskset.task.rewards.brief.fn",
        "brief.py:brief",
        "--env.taskset.task.rewards.brief.weight",
        "0.1",
    )
    episodes = evaluate(tmp_path, "my-environment", server.url, "-n", "4", *rewards, where=f"{tmp_path}:{PLACES}")
    found = [trace["rewards"] for episode in episodes for trace in episode["traces"]]
    assert all(reward["correctness"]["score"] == 1.0 and 0.98 < reward["brief"]["score"] < 1 for reward in found)


@pytest.mark.apart
@pytest.mark.parametrize("name", ["aquarat", "dakota", "dataset"])
def test_it_installs_by_itself_without_torch(tmp_path, name):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", str(ROOT / "environments" / name)], check=True)
    there = "import importlib.util as u; print([m for m in ('torch', 'trl', 'ratchet') if u.find_spec(m)])"
    assert (
        subprocess.run([str(python), "-c", there], capture_output=True, text=True, cwd=tmp_path).stdout.strip() == "[]"
    )
    server = chat_server.ChatServer(letter)
    source = ("--env.taskset.data-dir", "generated")
    if name == "dataset":
        (tmp_path / "rows.jsonl").write_text(
            "".join(json.dumps({"question": f"{n}?", "answer": n}) + "\n" for n in range(40))
        )
        source = ("--env.taskset.data-dir", "rows.jsonl", "--env.taskset.task.data", '{"grader": "number"}')
    command = str(tmp_path / "venv/bin/vf-eval")
    episodes = evaluate(tmp_path, f"ratchet-{name}", server.url, "-n", "3", *source, where="", command=command)
    assert all(episode["ok"] for episode in episodes) and len(episodes) == 3
