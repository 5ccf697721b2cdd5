"""The house's arrows: light rooms import no heavy library, and nothing imports back."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "ratchet"
HEAVY = {"torch", "trl", "transformers", "accelerate", "peft", "datasets", "numpy"}
# Each room and the rooms it may import.
ARROWS = {
    "errors": set(),
    "files": {"errors"},
    "tasks": {"errors", "files"},
    "rewards": {"errors", "tasks"},
    "recipe": {"errors", "tasks", "rewards"},
    "checkpoints": {"errors", "files", "recipe"},
    "audit": {"errors", "files", "tasks", "rewards", "recipe"},
    "runtime": {"errors", "recipe"},
    "models": {"errors"},
    "hub": {"errors", "files", "tasks", "recipe", "checkpoints"},
    "diagnostics": {"errors", "files", "tasks", "rewards", "recipe"},
    "evaluation": {"errors", "files", "hub", "checkpoints", "tasks", "rewards", "recipe", "runtime", "models", "diagnostics"},
    "environment": {"tasks"},
    "lighteval": {"errors", "files", "runtime", "tasks", "rewards", "recipe", "models", "evaluation"},
    "doctor": {"errors", "files", "runtime"},
    "launch": {"errors", "files", "runtime", "tasks", "recipe", "plan"},
    "plan": {"errors", "files", "runtime", "tasks", "recipe", "diagnostics"},
    "watch": {"errors", "files", "runtime", "diagnostics"},
    "policy": {"errors", "tasks", "rewards", "recipe", "models", "evaluation"},
    "chat": {"errors", "tasks", "rewards", "policy", "evaluation"},
    "torture": {"errors", "checkpoints", "tasks", "training"},
    "report": {"errors", "files", "runtime", "diagnostics", "evaluation"},
    "training": {
        "errors",
        "files",
        "audit",
        "tasks",
        "rewards",
        "recipe",
        "runtime",
        "models",
        "evaluation",
        "hub",
        "diagnostics",
        "report",
        "checkpoints",
    },
}


@pytest.mark.parametrize(
    "room",
    [
        "tasks",
        "rewards",
        "recipe",
        "audit.command",
        "plan.page",
        "launch.command",
        "launch.lambda_cloud.command",
        "checkpoints.resume",
        "evaluation.run",
        "evaluation.server",
        "hub.command",
    ],
)
def test_a_light_room_imports_no_heavy_library(room):
    code = f"import sys, ratchet.{room}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_is_drawn_without_the_libraries_that_train():
    code = f"import sys, ratchet.report.command; print(sorted({HEAVY - {'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("room", ARROWS)
def test_rooms_import_only_what_stands_below_them(room):
    files = [SOURCE / f"{room}.py"] if (SOURCE / f"{room}.py").is_file() else sorted((SOURCE / room).rglob("*.py"))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                parts = name.split(".")
                if parts[0] == "ratchet" and len(parts) > 1:
                    assert parts[1] in ARROWS[room] | {room}, f"{file.name} imports {name}"


def test_scripts_are_pages():
    for script in sorted((SOURCE.parents[1] / "scripts").glob("*.py")):
        assert len(script.read_text(encoding="utf-8").splitlines()) < 40, script.name
