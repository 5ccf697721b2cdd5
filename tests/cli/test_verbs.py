"""The table of verbs, its help, and the program as it is started."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ratchet.cli.help import overview, page
from ratchet.cli.options import parse
from ratchet.cli.verbs import NAMES, VERBS, verb_of

HEAVY = ("torch", "transformers", "trl", "accelerate", "datasets", "numpy")
EVERY = pytest.mark.parametrize("verb", VERBS, ids=NAMES)


def ask(*words: str, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, "-m", "ratchet", *words], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


@EVERY
def test_every_verb_has_a_function_with_a_docstring(verb):
    module, _, name = verb.run.partition(":")
    assert getattr(importlib.import_module(module), name).__doc__


@EVERY
def test_the_example_of_a_verb_is_understood_and_names_what_is_there(verb, root):
    name, *words = shlex.split(verb.example)
    assert name == verb.name
    parse(verb, words)
    for word in words:
        if word.startswith(("recipes/", "accelerate_configs/")):
            assert (root / word).is_file()


@EVERY
def test_the_help_of_a_verb_shows_an_example_and_every_option(verb):
    text = page(verb)
    assert re.search(rf"example:\n  (?:\S.*)?ratchet {re.escape(verb.example)}\n", text)
    shown = re.findall(r"^  --([a-z][\w-]*)", text, re.MULTILINE)
    assert shown == [option.name for option in verb.options] + ["key"] * verb.keys or verb.name == "launch"
    assert {*shown} - {"key"} == {option.name for option in verb.options}
    assert max(map(len, text.splitlines())) < 150


@EVERY
def test_names_of_options_are_unique_and_their_help_is_a_phrase(verb):
    keys = [option.key for option in verb.options] + [positional.name for positional in verb.positionals]
    assert len(keys) == len(set(keys)) or verb.name == "chat"
    assert all(option.help and not option.help.endswith(".") for option in verb.options)


def test_the_overview_names_every_verb_in_a_group():
    assert re.findall(r"^  ([a-z-]+) ", overview(), re.MULTILINE) == list(NAMES)


def test_what_a_launch_offers_is_what_the_places_take():
    from ratchet.launch.places import FLAGS, OPTIONS, PLACES

    options = {option.key: option for option in verb_of("launch").options}
    assert {*options} == {*OPTIONS} - {"help"}
    assert {key for key, option in options.items() if option.flag} == FLAGS - {"help"}
    assert options["on"].choices == tuple(PLACES)
    for place in PLACES.values():
        for name in place.takes:
            option = options[name]
            assert option.group.startswith(f"--on {place.name},") or place.name in option.help


RUN = f"""
import sys, time
from ratchet.cli.main import main
for line in sys.argv[1:]:
    sys.argv = ["ratchet", *line.split()]
    try:
        main()
    except SystemExit as stop:
        print("LEFT", stop.code, sorted(set({HEAVY!r}) & set(sys.modules)), time.process_time())
"""


def light(root, *lines: str) -> tuple[set[str], float]:
    """Exit codes of command lines, after none of which a heavy library is loaded; and the seconds of CPU they took."""
    done = subprocess.run([sys.executable, "-c", RUN, *lines], cwd=root, capture_output=True, text=True)
    left = re.findall(r"^LEFT (\d+) (\[.*\]) ([\d.]+)$", done.stdout, re.MULTILINE)
    assert len(left) == len(lines), done.stderr
    assert {heavy for _, heavy, _ in left} == {"[]"}
    return {code for code, _, _ in left}, float(left[-1][2])


def test_help_loads_nothing_heavy(root):
    codes, seconds = light(root, "--help", *(f"{name} --help" for name in NAMES))
    assert codes == {"0"} and seconds < 1  # all together; a few hundredths each


@pytest.mark.parametrize(
    "line",
    [
        "evalute",
        "evaluate recipes/demo.yaml --modle x",
        "chat ratchet-tiny --task aquarat --data.sorce x",
        "grpo recipes/demo.yaml --data.sorce x",
        "launch --on lokal",
    ],
)
def test_a_mistake_loads_nothing_heavy(line, root):
    codes, seconds = light(root, line)
    assert codes == {"2"} and seconds < 1  # about 0.2 on an idle machine


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("evalute",), "unknown verb evalute; did you mean ratchet evaluate?"),
        (("scripts/plan.py",), "did you mean ratchet plan?"),
        (("recipes/demo.yaml",), "as in ratchet plan recipes/demo.yaml"),
        (("xyzzy",), "there are plan, doctor, "),
        ((), "name a verb"),
        (("checkpoints", "lst", "x"), "lst is not list, verify or prune; did you mean list?"),
        (("checkpoints", "list"), "name what to do, and a run's folder"),
        (("prepare", "recipes/dakota.yaml"), "--output FOLDER is missing"),
        (("launch", "recipes/demo.yaml", "--on", "lokal"), "did you mean local?"),
        (("doctor", "now"), "now: ratchet doctor takes options alone"),
    ],
)
def test_a_mistake_ends_in_a_sentence_and_exit_code_2(words, said):
    done = ask(*words, code=2)
    assert said in done.stderr and "Traceback" not in done.stderr


def test_the_program_has_a_version_and_help_by_every_name():
    assert re.fullmatch(r"ratchet \d+\.\d+\.\d+\n", ask("--version").stdout)
    assert ask("help").stdout == ask("--help").stdout == ask("-h").stdout
    assert ask("help", "plan").stdout == ask("plan", "-h").stdout == ask("plan", "x.yaml", "--help").stdout


@pytest.mark.parametrize("name", ["plan", "doctor", "audit", "export", "completion"])
def test_the_example_works_as_it_stands(name, tmp_path, root):
    for folder in ("recipes", "accelerate_configs"):
        (tmp_path / folder).symlink_to(root / folder)
    words = shlex.split(verb_of(name).example)
    done = subprocess.run([sys.executable, "-m", "ratchet", *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout and (done.returncode == 0 or name in ("plan", "doctor")), done.stderr


def test_the_installed_program_is_this_one(root):
    text = Path(root / "setup.cfg").read_text(encoding="utf-8")
    assert "console_scripts =\n    ratchet = ratchet.cli.main:main\n\n" in text


def test_a_command_is_shown_as_it_can_be_typed(tmp_path, monkeypatch):
    from ratchet import program

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".venv/bin"
    folder.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    assert program.typed("chat", "a run") == ".venv/bin/python -m ratchet chat 'a run'"
    (folder / "ratchet").write_text("#!/bin/sh\n")
    (folder / "ratchet").chmod(0o755)
    assert program.program() == ".venv/bin/ratchet"
    monkeypatch.setenv("PATH", str(folder))
    assert program.program() == "ratchet"
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    assert program.program() == "python -m ratchet"


@pytest.mark.parametrize(
    ("argv", "parent", "shown"),
    [
        ("/x/bin/ratchet plan r.yaml", "bash", "python -m ratchet plan r.yaml"),
        ("/x/ratchet/__main__.py plan r.yaml", "make demo", "python -m ratchet plan r.yaml"),
        ("scripts/grpo.py r.yaml", "bash", "python scripts/grpo.py r.yaml"),
        (
            "/x/scripts/grpo.py r.yaml",
            "/x/bin/python /x/bin/accelerate launch --config_file c.yaml scripts/grpo.py r.yaml",
            "accelerate launch --config_file c.yaml /x/scripts/grpo.py r.yaml",
        ),
        (
            "/x/ratchet/__main__.py evaluate r.yaml",
            "python -m accelerate.commands.launch --config_file c.yaml -m ratchet evaluate r.yaml",
            "accelerate launch --config_file c.yaml -m ratchet evaluate r.yaml",
        ),
    ],
)
def test_what_was_typed_is_remembered(monkeypatch, tmp_path, argv, parent, shown):
    from ratchet import runtime

    class Parent:
        def parent(self):
            return self

        def cmdline(self):
            return parent.split()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runtime.psutil, "Process", Parent)
    monkeypatch.setattr(sys, "argv", argv.split())
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    assert runtime.command_line() == shown
