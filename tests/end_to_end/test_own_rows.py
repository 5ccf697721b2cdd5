"""Runs on rows of one's own, from YAML alone."""

import json
import random
import re

import pytest
import yaml

from ratchet.recipe import load_recipe

COMMON = {"model_name_or_path": "ratchet-tiny", "use_cpu": True, "bf16": False, "activation_checkpointing": False}
QUICK = ("--max_steps", "2", "--per_device_train_batch_size", "8", "--report", "off", "--output_dir", "out")


def gsm8k(draw):
    a, b = draw.randint(200, 900), draw.randint(200, 900)
    return {"question": f"Mia has {a} pens and buys {b} more. How many?", "answer": f"{a}+{b}={a + b}\n#### {a + b:,}"}


def options(draw):
    a, b = draw.randint(2, 99), draw.randint(2, 99)
    found = draw.sample([number for number in range(a + b - 20, a + b + 20) if number != a + b], 3)
    found.insert(at := draw.randrange(4), a + b)
    return {"question": f"What is {a} plus {b}?", "choices": [*map(str, found)], "answer": at}


def words(draw):
    word = "".join(draw.sample("abcdefgh", k=5))  # the audit finds palindromes
    return {"prompt": f"Spell {word} backwards.", "answer": word[::-1]}


def chat(draw):
    number = draw.randint(0, 10**6)
    turns = [f"Say {number}.", f"{number}!", "And the next?", f"{number + 1}."]
    return {"messages": [{"role": "user" if i % 2 == 0 else "assistant", "content": t} for i, t in enumerate(turns)]}


def write(folder, make, grader, trainer="grpo", **more):
    draw = random.Random(0)
    rows = "".join(json.dumps(make(draw)) + "\n" for _ in range(200))
    (folder / "rows.jsonl").write_text(rows, encoding="utf-8")
    recipe = {"trainer": trainer, "task": "dataset", "data": {"source": "rows.jsonl", "grader": grader}, **COMMON}
    if trainer == "grpo":
        recipe |= {"rewards": {"correctness": {"weight": 1.0}}, "max_completion_length": 40}
    (folder / "mine.yaml").write_text(yaml.safe_dump({**recipe, **more}), encoding="utf-8")


@pytest.mark.parametrize(("make", "grader"), [(gsm8k, "number"), (options, "choice"), (words, "text")])
def test_the_reward_of_rows_of_ones_own_passes_the_audit(script, tmp_path, make, grader):
    write(tmp_path, make, grader)
    assert "verdict: passed" in script("ratchet", "audit", "mine.yaml").stdout


def test_grpo_trains_and_is_measured_on_rows_of_ones_own(script, tmp_path):
    write(tmp_path, gsm8k, "number")
    done = script("scripts/grpo.py", "mine.yaml", *QUICK)
    assert "columns: prompt from question, answer from answer" in done.stdout
    assert "split into 160 train, 20 validation, 20 test rows" in done.stdout
    assert json.loads((tmp_path / "out/result.json").read_text())["after"]["n"] == 20


def test_grpo_trains_with_functions_as_trl_has_them(script, tmp_path):
    write(tmp_path, gsm8k, "number")
    code = "def close(completions, answer, **kwargs):\n"
    code += "    return [None if 'x' in completion[-1]['content'] else 0.5 for completion in completions]\n"
    (tmp_path / "mine.py").write_text(code)
    recipe = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    recipe["rewards"] |= {"mine.py:close": {"weight": 0.3}, "trl:think_format_reward": {"weight": 0.1}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    script("scripts/grpo.py", "mine.yaml", *QUICK, "--audit", "warn", "--evaluation.after", "false")
    lines = (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()
    assert any("rewards/close/mean" in line and "rewards/think_format_reward/mean" in line for line in lines)
    assert "| close | 0.3 |" in (tmp_path / "out/README.md").read_text()


def test_sft_imitates_conversations_and_measures_no_accuracy(script, tmp_path):
    write(tmp_path, chat, "none", trainer="sft", evaluation={"after": False})
    done = script("scripts/sft.py", "mine.yaml", *QUICK)
    assert "accuracy after" not in done.stdout and "ratchet evaluate" not in done.stdout
    assert "no accuracy to measure" in script("ratchet", "evaluate", "mine.yaml", "--model", "out", code=2).stderr


def test_what_cannot_be_graded_is_neither_rewarded_nor_measured(script, tmp_path):
    write(tmp_path, chat, "none")
    said = script("scripts/grpo.py", "mine.yaml", code=2).stderr
    assert "data.grader: none gives no reward" in said and "no accuracy to measure" in said


@pytest.mark.parametrize("page", ["README.md", "docs/your_own.md"])
def test_the_recipes_in_the_documentation_are_whole(root, tmp_path, page):
    blocks = re.findall(r"```yaml\n(.*?)```", (root / page).read_text(encoding="utf-8"), re.S)
    shown = [block for block in blocks if "task: dataset" in block]
    assert shown and all(len(block.splitlines()) <= 8 for block in shown)
    for block in shown:
        (tmp_path / "mine.yaml").write_text(block)
        assert load_recipe(tmp_path / "mine.yaml", environ={}).task.name == "dataset"
