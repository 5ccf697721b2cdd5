"""Recipes and rows of any bytes end in a sentence or in something usable.

benchmarks/fuzz.py searches further, guided by coverage.
"""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.tasks import Split
from ratchet.tasks.aquarat.task import AquaRat
from ratchet.tasks.dakota.task import Dakota

ROOT = Path(__file__).resolve().parents[1]
RECIPES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "recipes").rglob("*.yaml"))]
SLOW = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
ODD = st.sampled_from(
    [
        "null",
        "[]",
        "{}",
        "1e999",
        "!!python/object:os.system x",
        "&a [*a]",
        "\x00",
        "'",
        '"',
        "- ",
        "? ",
        "<<: *a",
        "\ud7ff",
        "0x1",
        "no",
        "2026-01-01",
        "~",
    ]
)
ROW = {"question": "1 + 1?", "options": ["A)1", "B)2", "C)3", "D)4", "E)5"], "rationale": "1 + 1 = 2", "correct": "B"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def loaded(read, data: bytes, name: str):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        try:
            return read(path)
        except UserError as error:
            return error


@given(st.sampled_from(RECIPES), st.integers(0, 40), ODD, st.booleans())
@SLOW
def test_a_recipe_with_a_line_spoilt_is_refused_in_words(text, at, odd, value):
    lines = text.splitlines()
    line = lines[at % len(lines)]
    lines[at % len(lines)] = f"{line.split(':')[0]}: {odd}" if value else odd + line
    found = loaded(
        lambda path: load_recipe(path, environ={}), "\n".join(lines).encode(errors="surrogatepass"), "recipe.yaml"
    )
    assert isinstance(found, UserError) or found.task is not None


@given(st.binary(max_size=300))
@SLOW
def test_bytes_instead_of_a_recipe_are_refused(data):
    assert isinstance(loaded(lambda path: load_recipe(path, environ={}), data, "recipe.yaml"), UserError)


@given(st.sampled_from(sorted(ROW)), VALUES, st.binary(max_size=40))
@SLOW
def test_rows_of_any_values_and_bytes_are_kept_or_said(key, value, more):
    data = json.dumps(ROW).encode() + b"\n" + json.dumps({**ROW, key: value}).encode() + b"\n" + more
    found = loaded(lambda path: AquaRat(source=str(path.parent)).load("validation"), data, "dev.json")
    assert isinstance(found, (UserError, Split))


@given(st.sampled_from(["prompt", "answer", "info"]), VALUES, st.binary(max_size=40))
@SLOW
def test_dakota_rows_of_any_values_and_bytes_are_kept_or_said(key, value, more):
    info = {
        "task_type": "word_translation",
        "rule_id": "grammar_p10_r1",
        "rule_type": "morphology",
        "dakota_text": "x",
        "difficulty": "easy",
    }
    row = {"prompt": "Translate this Dakota sentence to English:\n\nwikćemna", "answer": "ten", "info": info}
    data = json.dumps({**row, key: value}).encode() + b"\n" + more
    found = loaded(lambda path: Dakota(source=str(path.parent)).load("train"), data, "grammar_tasks_easy.jsonl")
    assert isinstance(found, (UserError, Split))


@pytest.mark.parametrize("name", ["dev.json", "train.json"])
def test_a_folder_instead_of_a_file_is_said(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError):
        AquaRat(source=str(tmp_path)).load("validation")
