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
        block("yaml", "my_task.py").replace("extends: recipes", f"extends: {ROOT}/recipes"), encoding="utf-8"
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


SHOWN = [
    README,
    *PAGES.values(),
    *((ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "Makefile")),
]
COMMANDS = [
    (name, options)
    for text in SHOWN
    for name, options in re.findall(
        r"(?:(?<=^    )|(?<=`)|(?<=/)|(?<=-m ))ratchet ([a-z][\w-]*)([^`|#\n]*)", text, re.MULTILINE
    )
]


def test_every_verb_and_option_that_is_shown_is_one():
    from ratchet.cli.suggestions import recipe_keys
    from ratchet.cli.verbs import NAMES, verb_of

    assert len(COMMANDS) > 60
    assert {name for name, _ in COMMANDS} == set(NAMES)
    for name, options in COMMANDS:
        for option in re.findall(r"--([a-z][\w-]*)", options):
            verb = verb_of(name)
            key = option.replace("-", "_")
            assert verb.option(option) or (verb.keys and key in recipe_keys()), f"ratchet {name}{options}"


def test_every_alarm_that_the_pages_name_is_raised_somewhere():
    known = (ROOT / "src/ratchet/audit/alarms.py").read_text(encoding="utf-8")
    named = re.findall(r"alarm `([a-z-]+)`", "".join(PAGES.values()))
    assert named
    assert [name for name in named if f'"{name}"' not in known] == []
