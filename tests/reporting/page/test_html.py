"""The page as text: complete, escaped, and with nothing in it that is not there."""

import json
import re
from pathlib import Path

import pytest
from made_run import RECIPE, completion, evaluation, make_run

from ratchet.record.records import Records
from ratchet.record.run_data import RunData, load
from ratchet.reporting.figures.figures import figures
from ratchet.reporting.page import html

EVIL = "</script><script>alert(1)</script><img src=x onerror=\"alert('2')\">"


@pytest.fixture(autouse=True)
def without_plotly(monkeypatch):
    """Plotly's script is 5 MB to pack; end-to-end tests open pages that hold it."""
    monkeypatch.setattr(html, "_plotly", lambda: "PLOTLY")


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def data(page, name):
    """What stands in the page for its script to read."""
    (text,) = re.findall(rf'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    return json.loads(text)


def test_every_section_is_there_and_linked(folder):
    page = html.page(load(folder))
    anchors = ["result", "alarms", "curves", "completions", "audit", "time", "run", "next"]
    assert re.findall(r'<section id="(\w+)">', page) == re.findall(r'<a href="#(\w+)">', page) == anchors


def test_every_figure_has_its_place_and_its_data(folder):
    run = load(folder)
    page = html.page(run)
    assert re.findall(r'data-name="(\w+)"', page) == [*figures(run)] == [*data(page, "figures-data")]


def test_a_run_that_has_logged_nothing_needs_no_script_of_figures():
    page = html.page(RunData(Path("nowhere"), title="new"))
    assert "There is nothing to draw yet." in page
    assert 'id="plotly"' not in page and 'id="completions-data"' not in page
    assert "Nothing was evaluated." in page and "None was raised." in page


def test_text_from_a_run_cannot_become_part_of_the_page(folder):
    records = Records(folder)
    records.write("alarms", step=1, text=EVIL)
    records.write("samples", step=50, **completion(1, EVIL), reward=0.0, rewards={}, advantage=0.0)
    (folder / "recipe.yaml").write_text(f"{RECIPE}run_name: '{EVIL.replace(chr(39), '')}'\n")
    about = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**about, "command": EVIL, "commit": EVIL}))
    run = load(folder)
    run.title = EVIL
    page = html.page(run)
    assert "<img src=x" not in page and page.count("<script") == 4 and page.count("alert(1)</script>") == 0
    assert any(entry["completion"] == EVIL for entry in data(page, "completions-data"))


def test_the_page_forbids_itself_to_load_anything(folder):
    page = html.page(load(folder))
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="?https?:', page)


def test_an_interval_is_drawn_where_there_is_one(folder):
    page = html.page(load(folder))
    drawing = page[page.index("<div class=shares") : page.index("<p class=ticks>")]
    assert drawing.count("<i class=dot") == 3 and drawing.count("<i class=range") == 2
    assert "<span>accuracy before training</span>" in drawing and ">0.300</b>" in drawing


def test_missing_parts_are_named_at_the_top(folder):
    (folder / "run.json").unlink()
    page = html.page(load(folder))
    assert page.index("Not everything is here") < page.index("<section")


def test_runs_are_compared_by_verdict_curve_and_recipe(folder, tmp_path):
    other = make_run(tmp_path / "other")
    (other / "recipe.yaml").write_text(RECIPE.replace("1.0e-05", "0.123"))
    page = html.comparison_page([load(folder), load(other)])
    rows = page[page.index('<section id="differences">') :]
    assert "2 runs compared." in page and "<tr><td>learning_rate<td>1e-05<td>0.123</tr>" in rows
    assert "<td>task<td>" not in rows
    assert [trace["name"] for trace in data(page, "figures-data")["eval/accuracy"]["data"]] == ["run", "other"]


def test_runs_of_one_recipe_differ_in_nothing(folder):
    page = html.comparison_page([load(folder), load(folder)])
    assert '<section id="differences"><h2>What differs between the recipes</h2><p class=dim>Nothing.</p>' in page


def test_completions_are_of_both_ends_of_the_run_and_of_training(folder):
    Records(folder).write("evaluations", **evaluation(60, 0.7, 28))
    sources = {entry["source"] for entry in data(html.page(load(folder)), "completions-data")}
    assert sources == {"evaluation at step 0", "evaluation at step 60", "training"}
