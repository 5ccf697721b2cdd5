"""The table of private names against the installed libraries, and against what the code really uses."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from ratchet.recipe.method import METHODS, imported
from ratchet.training.distillation.divergence import Divergence
from ratchet.training.trainers.build import module_of
from ratchet.training.trl_internals import OVERRIDDEN, TOUCHED

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/ratchet"
TRAINERS = [
    cls
    for method in METHODS.values()
    for cls in vars(module_of(method)).values()
    if inspect.isclass(cls) and cls.__module__ == method.module and hasattr(cls, "training_step")
] + [Divergence]


def names(internals):
    return {internal.name for internal in internals}


@pytest.mark.parametrize("internal", OVERRIDDEN, ids=lambda i: i.name)
def test_what_is_overridden_is_there(internal):
    assert callable(getattr(imported(internal.owner), internal.name))


@pytest.mark.parametrize("internal", TOUCHED, ids=lambda i: i.name)
def test_what_is_touched_is_set_by_its_owner(internal):
    sources = [inspect.getsource(cls) for cls in imported(internal.owner).__mro__ if cls is not object]
    assert any(re.search(rf"self\.{internal.name}\b[^\n=]*=", source) for source in sources)


@pytest.mark.parametrize("cls", TRAINERS, ids=lambda c: c.__name__)
def test_every_private_method_that_is_overridden_is_in_the_table(cls):
    ours = [base for base in cls.__mro__ if base.__module__.startswith("ratchet.")]
    theirs = [base for base in cls.__mro__ if not base.__module__.startswith("ratchet.")]
    private = {name for base in ours for name in vars(base) if name.startswith("_") and not name.startswith("__")}
    overridden = {name for name in private if any(callable(vars(base).get(name)) for base in theirs)}
    assert overridden <= names(OVERRIDDEN)


def test_every_method_of_the_table_is_overridden_somewhere():
    ours = {name for cls in TRAINERS for base in cls.__mro__ if "ratchet" in base.__module__ for name in vars(base)}
    assert names(OVERRIDDEN) <= ours


def test_every_private_attribute_of_a_trainer_that_is_touched_is_in_the_table():
    used = set()
    for path in [*(SOURCE / "training").rglob("*.py"), *(SOURCE / "diagnostics").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr.startswith("_")
                and ast.unparse(node.value).endswith("trainer")
            ):
                used.add(node.attr)
    assert used
    assert used <= names(OVERRIDDEN) | names(TOUCHED)


@pytest.mark.parametrize("internal", (*OVERRIDDEN, *TOUCHED), ids=lambda i: i.name)
def test_the_test_that_is_named_is_there(internal):
    path, _, name = internal.test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
