"""The completion of a shell, in a real bash."""

import shlex
import shutil
import subprocess

import pytest

from ratchet.cli.completion import bash, fish, keys
from ratchet.cli.verbs import NAMES, VERBS


@pytest.fixture(scope="module")
def offered(tmp_path_factory):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    script = tmp_path_factory.mktemp("completion") / "ratchet.bash"
    script.write_text(bash(), encoding="utf-8")

    def ask(*words: str) -> set[str]:
        asked = f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; _ratchet"
        code = f"source {shlex.quote(str(script))}; {asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-euc", code], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        return {word for word in done.stdout.split("\n") if word}

    return ask


def test_verbs_are_completed(offered):
    assert offered("ratchet", "") == set(NAMES)
    assert offered("ratchet", "ch") == {"checkpoints", "chat"}


@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_options_and_keys_are_completed(offered, verb):
    found = offered("ratchet", verb.name, "--")
    assert {f"--{option.name}" for option in verb.options} <= found
    assert ("--evaluation.samples" in found and "--learning_rate" in found) == verb.keys


def test_values_are_completed_where_they_are_known(offered):
    assert offered(".venv/bin/ratchet", "launch", "r.yaml", "--on", "l") == {"local", "lambda"}
    assert offered("ratchet", "checkpoints", "v") == {"verify"}
    assert offered(".venv/bin/ratchet", "checkpoints", "") == {"list", "verify", "prune"}


def test_elsewhere_files_are_left_to_the_shell(offered):
    assert offered("ratchet", "plan", "rec") == set()
    assert offered("ratchet", "evaluate", "r.yaml", "--model", "out") == set()


def test_fish_is_told_every_option():
    text = fish()
    assert all(f" -l {option.name} " in text for verb in VERBS for option in verb.options)
    assert all(f" -l {key} " in text for key in keys())
