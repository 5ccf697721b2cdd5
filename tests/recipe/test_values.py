"""Values as people write them and as YAML reads them, and recipes in other encodings."""

import pytest

from ratchet.errors import UserError
from ratchet.recipe import load_recipe

DEBUG = "extends: {root}/recipes/debug/grpo.yaml\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("warmup_steps: 0o17", r"warmup_steps must be a number; it is 0o17 \(write 15\)"),
        ("warmup_steps: 017", "warmup_steps is read as 15 by YAML; write 15"),
        ("max_steps: 1:30", "max_steps is read as 90 by YAML"),
        ("save_strategy: NO", r"it is NO \(write no\)"),
        ("hub_strategy: off", 'which YAML reads as false; for the word put it in quotes: "off"'),
        ("run_name: [on]", "run_name must be text or null"),
    ],
)
def test_what_yaml_reads_as_something_else_is_said(root, tmp_path, line, says):
    (tmp_path / "a.yaml").write_text(DEBUG.format(root=root) + line + "\n")
    with pytest.raises(UserError, match=says):
        load_recipe(tmp_path / "a.yaml", environ={})


@pytest.mark.parametrize(
    "line", ["warmup_steps: 17", "seed: 0", "use_cpu: on", "save_strategy: no", "learning_rate: 0.5"]
)
def test_what_is_meant_as_it_is_read_is_taken(root, tmp_path, line):
    (tmp_path / "a.yaml").write_text(DEBUG.format(root=root) + line + "\n")
    load_recipe(tmp_path / "a.yaml", environ={})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("trainer: grpo\n".encode("utf-16"), "no UTF-8 text .UTF-16"),
        (b"trainer: grpo\n# \xe9\n", "perhaps Latin-1: line 2 has the byte 0xe9"),
    ],
    ids=["UTF-16", "Latin-1"],
)
def test_a_recipe_in_another_encoding_is_named(tmp_path, content, says):
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(UserError, match=says):
        load_recipe(tmp_path / "a.yaml", environ={})
