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
    "workers": set(),
    "sandbox": {"errors"},
    "tasks": {"errors", "files", "sandbox", "workers"},
    "rewards": {"errors", "files", "tasks"},
    "objectives": set(),
    "recipe": {"errors", "tasks", "rewards", "objectives"},
    "program": set(),
    "runtime": {"errors", "program", "recipe"},
    "checkpoints": {"errors", "files", "recipe"},
    "audit": {"workers", "errors", "files", "program", "tasks", "rewards", "recipe"},
    "models": {"errors"},
    "record": {"errors", "files"},
    "inference": {"errors", "tasks", "rewards", "recipe", "models"},
    "evaluation": {
        *("errors", "files", "checkpoints", "tasks", "rewards", "recipe", "runtime", "models", "record", "inference"),
    },
    "hub": {"errors", "files", "program", "tasks", "recipe", "checkpoints", "evaluation"},
    "diagnostics": {
        *("errors", "files", "tasks", "rewards", "recipe", "runtime", "models", "record", "evaluation"),
    },
    "doctor": {"errors", "files", "runtime"},
    "plan": {"errors", "files", "runtime", "tasks", "recipe", "record", "models"},
    "launch": {"errors", "files", "program", "runtime", "tasks", "recipe", "record", "plan", "hub", "models"},
    "integrations": {
        *(
            "workers",
            "sandbox",
            "errors",
            "files",
            "runtime",
            "tasks",
            "rewards",
            "recipe",
            "models",
            "evaluation",
            "plan",
            "launch",
        ),
    },
    "reporting": {"errors", "files", "program", "runtime", "recipe", "record", "evaluation"},
    "torture": {"errors", "checkpoints", "tasks", "training"},
    "cli": {
        *(
            "errors",
            "files",
            "program",
            "recipe",
            "runtime",
            "models",
            "inference",
            "evaluation",
            "hub",
            "audit",
            "plan",
            "doctor",
        ),
        *("launch", "checkpoints", "reporting", "diagnostics", "integrations", "training", "torture"),
    },
    "training": {
        "objectives",
        *("errors", "files", "audit", "tasks", "rewards", "recipe", "runtime", "models", "record", "inference"),
        *("evaluation", "hub", "diagnostics", "reporting", "checkpoints", "launch", "program", "workers"),
    },
}


@pytest.mark.parametrize(
    "room",
    [
        "tasks",
        "rewards",
        "recipe",
        "audit.run",
        "plan.page",
        "launch.places",
        "launch.lambda_cloud.command",
        "checkpoints.resume",
        "evaluation.run",
        "inference.openai_server",
        "hub.push",
    ],
)
def test_a_light_room_imports_no_heavy_library(room):
    code = f"import sys, ratchet.{room}; print(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_report_is_drawn_without_the_libraries_that_train():
    code = f"import sys, ratchet.reporting.page.write; print(sorted({HEAVY - {'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("room", ARROWS)
def test_rooms_import_only_what_stands_below_them(room):
    files = [SOURCE / f"{room}.py"] if (SOURCE / f"{room}.py").is_file() else sorted((SOURCE / room).rglob("*.py"))
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                parts = name.split(".")
                if parts[0] == "ratchet" and len(parts) > 1:
                    assert parts[1] in ARROWS[room] | {room}, f"{file.name} imports {name}"


def test_scripts_are_pages():
    for script in sorted((SOURCE.parents[1] / "scripts").glob("*.py")):
        assert len(script.read_text(encoding="utf-8").splitlines()) < 40, script.name
