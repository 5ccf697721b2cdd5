"""Groups that one word can stand for."""

from pathlib import Path

import pytest

from ratchet.recipe import load_recipe
from ratchet.recipe.groups import GROUPS
from ratchet.recipe.normalise import MODES

DEMO = Path(__file__).resolve().parents[2] / "recipes/demo.yaml"


@pytest.mark.parametrize("name", [name for name, cls in GROUPS.items() if "mode" in cls.__dataclass_fields__])
@pytest.mark.parametrize(("word", "off"), [("off", True), ("on", False), ("false", True)])
def test_a_word_stands_for_a_group_with_a_mode(name, word, off):
    group = getattr(load_recipe(DEMO, [(name, word)], environ={}), name)
    assert group.mode == ("off" if off else MODES[name])
