"""What the README shows is run as it stands."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, holds: str = "") -> str:
    (found,) = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if holds in text]
    return found


def test_the_task_of_ones_own_trains(script, tmp_path):
    (tmp_path / "my_task.py").write_text(block("python", "class Reverse"), encoding="utf-8")
    (tmp_path / "my_recipe.yaml").write_text(
        block("yaml").replace("extends: recipes", f"extends: {ROOT}/recipes"), encoding="utf-8"
    )
    done = script("scripts/grpo.py", "my_recipe.yaml", "--max_steps", "2")
    assert "on reverse" in done.stdout
    assert json.loads((tmp_path / "outputs/my_recipe/result.json").read_text())["after"]["n"] == 64


def test_the_program_that_asks_a_model_runs(demo, finish, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/demo").symlink_to(demo.folder)
    done = finish([sys.executable, "-c", block("python", "Policy.load")], tmp_path, 300)
    assert re.fullmatch(r"([01]\.0 (?:[A-E]|None) \{'correctness': [01]\.0\}\n){4}", done.stdout), done.stderr


def test_every_file_that_the_readme_names_is_there():
    named = re.findall(r"\b((?:recipes|scripts|accelerate_configs|src|benchmarks)/[\w./]+\.(?:yaml|py))", README)
    assert named
    assert [name for name in named if not (ROOT / name).is_file() and name != "recipes/mine.yaml"] == []


def test_every_accelerate_configuration_has_its_place_in_the_readme():
    assert [p.name for p in (ROOT / "accelerate_configs").glob("*.yaml") if f"`{p.name}`" not in README] == []


PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}


def test_every_page_that_is_named_is_there_and_every_page_is_named():
    named = set(re.findall(r"docs/(\w+\.md)", README + "".join(PAGES.values())))
    assert named == set(PAGES)


def test_every_file_that_the_pages_name_is_there():
    named = re.findall(
        r"\b((?:recipes|scripts|accelerate_configs|src|benchmarks)/[\w./]+\.(?:yaml|py))", "".join(PAGES.values())
    )
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_every_option_of_a_launch_or_a_plan_that_is_shown_is_one():
    from ratchet.launch.places import OPTIONS
    from ratchet.operations import PLANNING
    from ratchet.recipe import trl_fields

    known = {"launch": {*OPTIONS}, "plan": {*PLANNING, "json"}}
    shown = [
        (name, line)
        for text in (README, *PAGES.values())
        for name in known
        for line in text.splitlines()
        if f"scripts/{name}.py" in line
    ]
    assert len(shown) > 20
    for name, line in shown:
        for command in re.findall(rf"scripts/{name}\.py([^`|]*)", line):
            for option in re.findall(r"--([a-z][\w-]*)", command):
                key = option.replace("-", "_")
                assert key in known[name] or key in trl_fields("grpo"), f"--{option} in: {line}"


def test_every_alarm_that_the_pages_name_is_raised_somewhere():
    known = (ROOT / "src/ratchet/audit/alarms.py").read_text(encoding="utf-8")
    named = re.findall(r"alarm `([a-z-]+)`", "".join(PAGES.values()))
    assert named
    assert [name for name in named if f'"{name}"' not in known] == []
