"""Where pages are written, and what runs of one name are called."""

import pytest
from made_run import make_run

from ratchet.errors import UserError
from ratchet.reporting.page import html
from ratchet.reporting.page.write import compare, write


@pytest.fixture(autouse=True)
def without_plotly(monkeypatch):
    monkeypatch.setattr(html, "_plotly", lambda: "PLOTLY")


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def test_the_page_and_its_twin_lie_in_the_runs_folder_or_where_they_are_wanted(folder, tmp_path):
    assert write(folder) == folder / "report.html" and (folder / "report.md").is_file()
    assert write(folder, tmp_path / "there/page.html").is_file() and (tmp_path / "there/page.md").is_file()


def test_a_place_that_cannot_be_written_is_named_with_the_way_out(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written .*--output"):
        write(folder, tmp_path / "file/page.html")


def test_a_comparison_lies_in_the_first_runs_folder(folder, tmp_path):
    other = make_run(tmp_path / "other")
    page = compare([folder, other])
    assert page == folder / "comparison.html" and "<title>run, other</title>" in page.read_text()


def test_runs_of_one_name_get_their_folders_and_one_run_twice_gets_numbers(folder, tmp_path):
    other = make_run(tmp_path / "beside/run")
    assert f"<title>{folder}, {other}</title>" in compare([folder, other]).read_text()
    assert f"<title>1: {folder}, 2: {folder}</title>" in compare([folder, folder]).read_text()
