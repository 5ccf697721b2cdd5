"""Runs on rows of one's own, from YAML alone."""

import json
import random
import re
import shutil

import pytest
import yaml

from ratchet.recipe import load_recipe

needs_bubblewrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
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
    assert "there is nothing to audit" in script("ratchet", "audit", "mine.yaml", code=2).stderr


def test_what_cannot_be_graded_is_neither_rewarded_nor_measured(script, tmp_path):
    write(tmp_path, chat, "none")
    said = script("scripts/grpo.py", "mine.yaml", code=2).stderr
    assert "data.grader: none gives no reward" in said and "no accuracy to measure" in said


def test_a_reward_of_ones_own_needs_no_grader(script, tmp_path):
    write(tmp_path, words, "none", evaluation={"after": False})
    (tmp_path / "mine.py").write_text(
        "def ends(completions, **kw): return [float('z' in c[-1]['content']) for c in completions]"
    )
    recipe = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    recipe["data"]["completion"] = "answer"
    recipe["rewards"] = {"mine.py:ends": {"weight": 1.0, "goal": True}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    done = script("scripts/grpo.py", "mine.yaml", *QUICK, "--audit", "warn")
    assert "2 steps" in done.stdout and "accuracy after" not in done.stdout


def numbers(draw):
    a, b, c = draw.randint(2, 30), draw.randint(2, 30), draw.randint(2, 9)
    question = f"Mia has {a} pens and buys {b} more, {c} times over. How many pens does she have now?"
    return {
        "question": question,
        "answer": f"She buys {b}*{c}={b * c} pens. {a}+{b * c}={a + b * c}.\n#### {a + b * c}",
    }


def programs(draw):
    word, text = draw.choice([("sum", "a + b"), ("product", "a * b"), ("larger", "max(a, b)")])
    name = "".join(draw.sample("abcdefgh", k=5))
    pairs = [(draw.randint(-9, 9), draw.randint(-9, 9)) for _ in range(3)]
    tests = "\n".join(f"assert {name}({a}, {b}) == {eval(text, {'a': a, 'b': b, 'max': max})}" for a, b in pairs)
    solution = f"def {name}(a, b):\n    return {text}"
    return {"prompt": f"Write a function {name}(a, b) that returns the {word}.", "tests": tests, "solution": solution}


@pytest.mark.parametrize(
    ("make", "grader", "more"),
    [
        pytest.param(numbers, "number", {"form": "#### {answer}"}, id="numbers after ####"),
        pytest.param(programs, "code", {}, id="programs", marks=needs_bubblewrap),
    ],
)
def test_tasks_that_used_to_need_a_class_pass_the_audit(script, tmp_path, make, grader, more):
    write(tmp_path, make, grader)
    recipe = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    recipe["data"] |= more
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    done = script("ratchet", "audit", "mine.yaml", "--rows", "30")
    assert "verdict: passed" in done.stdout and "the target text" in done.stdout


@needs_bubblewrap
def test_the_audit_says_why_a_program_of_the_rows_own_fails(script, tmp_path):
    write(tmp_path, programs, "code")
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    broken = [{**row, "solution": f"import nothing_like_it\n{row['solution']}"} for row in rows]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in broken))
    assert "No module named 'nothing_like_it'" in script("ratchet", "audit", "mine.yaml", "--rows", "8", code=1).stdout


def test_a_file_as_countdown_is_trains_from_yaml_alone(script, root, tmp_path):
    page = (root / "docs/your_own.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", page, re.S) if "grader: countdown" in one)
    draw = random.Random(0)
    rows = [{"nums": [draw.randint(1, 50) for _ in range(3)], "target": draw.randint(1, 99)} for _ in range(100)]
    (tmp_path / "my.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "my.yaml").write_text(block.replace("Qwen/Qwen3-0.6B", "ratchet-tiny"))
    quick = ("--use_cpu", "true", "--bf16", "false", "--activation_checkpointing", "false", "--save_strategy", "no")
    said = script("scripts/grpo.py", "my.yaml", *quick, "--max_completion_length", "40", *QUICK).stdout
    assert "audit       passed" in said and "2 steps" in said and len(block.splitlines()) <= 8


@pytest.mark.parametrize("without", ["", "completion"])
def test_countdown_passes_the_audit_with_a_solution_and_without_any(script, tmp_path, root, without):
    code = (root / "recipes/countdown/countdown.py").read_text(encoding="utf-8")
    (tmp_path / "countdown.py").write_text(code.replace('"completion": f', '"other": f') if without else code)
    write(tmp_path, words, "python")
    recipe = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    recipe["data"] = {"source": "countdown.py:small", "grader": "countdown"}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
    assert "verdict: passed" in script("ratchet", "audit", "mine.yaml", "--rows", "60").stdout


@pytest.mark.parametrize("page", ["README.md", "docs/your_own.md"])
def test_the_recipes_in_the_documentation_are_whole(root, tmp_path, page):
    blocks = re.findall(r"```yaml\n(.*?)```", (root / page).read_text(encoding="utf-8"), re.S)
    shown = [block for block in blocks if "task: dataset" in block]
    assert shown and all(len(block.splitlines()) <= 8 for block in shown)
    for block in shown:
        (tmp_path / "mine.yaml").write_text(block)
        wanted = "mixture" if "tasks:" in block else "dataset"
        assert load_recipe(tmp_path / "mine.yaml", environ={}).task.name == wanted


def test_the_function_of_the_documentation_is_audited_as_it_stands(root, script, tmp_path):
    page = (root / "docs/your_own.md").read_text(encoding="utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "def rows" in block)
    (recipe,) = (block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "mine.py:rows" in block)
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "mine.yaml").write_text(recipe.replace("Qwen/Qwen3-0.6B", "ratchet-tiny"))
    assert "verdict: passed" in script("ratchet", "audit", "mine.yaml").stdout


@pytest.mark.parametrize("name", ["gsm8k", "math", pytest.param("code", marks=needs_bubblewrap), "mixture"])
def test_the_recipes_for_rows_of_ones_own_run_on_a_cpu(script, tmp_path, name):
    quick = ("--max_steps", "1", "--evaluation.max_rows", "4", "--audit.rows", "40", "--evaluation.before", "false")
    script("scripts/grpo.py", f"recipes/debug/{name}.yaml", *quick, "--output_dir", "out", "--report", "off")
    assert json.loads((tmp_path / "out/result.json").read_text())["after"]["n"] == 4


def test_conversations_run_on_a_cpu(script, tmp_path):
    done = script("scripts/sft.py", "recipes/debug/chat_sft.yaml", "--max_steps", "2", "--report", "off")
    assert "400 training conversations with 800 of the assistant's turns" in done.stdout
