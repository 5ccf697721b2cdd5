"""The report as Markdown: what the page says, in tables that hold."""

import json
from pathlib import Path

import pytest
from made_run import RECIPE, make_run

from ratchet.record.run_data import RunData, load
from ratchet.reporting.page.facts import gather
from ratchet.reporting.page.markdown import twin


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def tables(text):
    """The rows of each table, as lists of cells."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    return [[line.replace("\\|", "")[2:-2].split(" | ") for line in lines] for lines in blocks]


def test_every_fact_is_there(folder):
    text, facts = twin(load(folder)), gather(load(folder))
    assert text.startswith("# run\n\n") and facts.verdict in text and RECIPE.strip() in text
    for row in facts.results + facts.audit + facts.totals + facts.about:
        assert f"| {' | '.join(row)} |" in text
    for what, words in facts.commands:
        assert f"{what}:\n\n    {words}" in text
    assert all(f"- {line}" in text for line in facts.alarms + facts.audit_findings)


def test_headings_are_those_of_the_page_in_its_order(folder):
    headings = [line[3:] for line in twin(load(folder)).splitlines() if line.startswith("## ")]
    assert headings == [
        "Result",
        "Alarms",
        "Curves",
        "Audit of the reward",
        "Time and cost",
        "What was run",
        "What to type next",
    ]


def test_a_curve_is_told_by_its_ends_and_extremes(folder):
    assert "| `rl/acc` | 0.1 (step 5) | 0.8 (step 40) | 0.1 | 0.8 |" in twin(load(folder))


def test_a_text_cannot_break_a_table(folder):
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "command": "a | b\nc"}))
    text = twin(load(folder))
    assert "| command | a \\| b c |" in text
    assert all(len({len(row) for row in rows[2:]}) <= 1 for rows in tables(text))


def test_what_is_missing_is_named(folder):
    (folder / "run.json").unlink()
    assert "Not everything is here:\n\n- there is no run.json" in twin(load(folder))


def test_a_run_that_has_just_begun_has_a_report():
    text = twin(RunData(Path("nowhere"), title="new"))
    assert "Nothing was evaluated." in text and "None was raised." in text and "## Curves" not in text
