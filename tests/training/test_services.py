"""What a trainer is given: nothing is hung on it afterwards, and no part with a state is forgotten by checkpoints."""

import ast
import json
import sys
from pathlib import Path

import pytest

from ratchet.training.exact_state import StateRegistry
from ratchet.training.trl_internals import TOUCHED

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/ratchet"

# Builds a run with every part that has a state, and prints the classes that its registry reaches.
REACHED = """
import json, sys
from ratchet.recipe import load_recipe
from ratchet.training.prepare import prepare
from ratchet.training.services import RunServices
from ratchet.training.start import decide
from ratchet.training.trainers.build import build_trainer

def classes(part, depth=3):
    found = {base.__module__ + "." + base.__qualname__ for base in type(part).__mro__}
    if depth and type(part).__module__.startswith("ratchet"):
        found |= {name for value in vars(part).values() for name in classes(value, depth - 1)} if hasattr(part,
        "__dict__") else set()
    return found

pairs = [(key[2:], value) for key, value in zip(sys.argv[2::2], sys.argv[3::2])]
recipe = load_recipe(sys.argv[1], pairs, environ={})
decision = decide(recipe, "never", False)
run = prepare(recipe, decision.arguments, decision.model_arguments, decision.start)
services = RunServices(run)
trainer = build_trainer(run, services)
trainer.get_train_dataloader()
print(json.dumps(sorted(name for part, _ in services.states.parts.values() for name in classes(part))))
"""
STAGES = "--curriculum.column correct --curriculum.max_steps 2" + "".join(
    f" --curriculum.stages.{c} 0.5" for c in "ABCDE"
)


def classes_with_a_state() -> set[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("ratchet", *path.relative_to(SOURCE).with_suffix("").parts))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(getattr(f, "name", "") == "state_dict" for f in node.body):
                found.add(f"{module}.{node.name}")
    return found - {"ratchet.training.exact_state.Stateful"}


def test_every_class_with_a_state_is_reached_by_the_registry_of_a_run(finish, tmp_path):
    words = [str(ROOT / "recipes/debug/grpo.yaml"), "--output_dir", "out", *STAGES.split()]
    words += ["--distillation.context", "Hint", "--distillation.teacher", "average"]
    done = finish([sys.executable, "-c", REACHED, *words], tmp_path, 300)
    assert done.returncode == 0, done.stderr[-3000:]
    reached = set(json.loads(done.stdout.splitlines()[-1]))
    assert classes_with_a_state() <= reached


def test_nothing_is_set_on_a_trainer_from_outside_but_what_a_resume_restores():
    restored = {internal.name for internal in TOUCHED}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) in ("trainer", "self.trainer"):
                    assert target.attr in restored, f"{path.name}:{node.lineno} sets {ast.unparse(target)}"


class Part:
    def __init__(self, value):
        self.value = value

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, found):
        self.value = found["value"]


@pytest.fixture
def registry():
    states = StateRegistry()
    states.register("often", Part(1))
    states.register("seldom", Part(2), when="run")
    return states


def test_a_registered_part_is_saved_and_restored(registry):
    kept = registry.capture("step")
    part, _ = registry.parts["often"]
    part.value = 9
    registry.restore(kept, "step")
    assert part.value == 1


def test_what_changes_between_steps_only_is_not_captured_with_a_step(registry):
    assert [*registry.capture("step")] == ["often"] and [*registry.capture("run")] == ["seldom"]


def test_a_part_that_an_older_checkpoint_does_not_hold_stays_as_it_is(registry):
    registry.restore({}, "step")
    assert registry.parts["often"][0].value == 1
