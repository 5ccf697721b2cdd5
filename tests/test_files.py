"""Files that are written whole, locks that go with their process, and the user's own Python files."""

import pytest

from ratchet.errors import UserError
from ratchet.files import (
    alone,
    import_file,
    in_use,
    keep_earlier,
    lock_of,
    read_json,
    size_text,
    write_json,
    write_text,
)


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    write_text(tmp_path / "new/a.txt", "one")
    write_text(tmp_path / "new/a.txt", "two")
    assert [path.read_text() for path in (tmp_path / "new").iterdir()] == ["two"]


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_text(tmp_path / "a", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_json_comes_back_as_it_was(tmp_path):
    write_json(tmp_path / "a.json", {"ä": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"ä": [1, 2.5, None]}


@pytest.mark.parametrize("text", [None, "{", "\udcff"])
def test_json_that_cannot_be_read_is_none(tmp_path, text):
    if text is not None:
        (tmp_path / "a.json").write_bytes(text.encode(errors="surrogateescape"))
    assert read_json(tmp_path / "a.json") is None


def test_an_earlier_file_is_kept_with_what_belongs_to_it(tmp_path):
    for name in ("a.json", "a-1.json", "a.csv"):
        (tmp_path / name).touch()
    assert keep_earlier(tmp_path / "a.json", tmp_path / "a.csv") == "kept the earlier a.json as a-2.json"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.json", "a-2.csv", "a-2.json"]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0.0 KiB"), (2**20 - 1, "1024.0 KiB"), (2**20, "1.0 MiB"), (2**40, "1024.0 GiB")]
)
def test_sizes_are_said_in_the_unit_that_fits(size, text):
    assert size_text(size) == text


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path):
    folder = tmp_path / "run"
    with alone(lock_of(folder), "the run", "--output_dir"):
        assert in_use(folder)
        with pytest.raises(UserError, match="the run is in use by process"), alone(lock_of(folder), "the run", "--o"):
            pass
    assert not in_use(folder)
    assert not lock_of(folder).exists()


def test_a_link_to_a_folder_has_the_same_lock(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert lock_of(tmp_path / "link") == lock_of(tmp_path / "run")


def test_a_python_file_of_the_users_is_imported(tmp_path):
    (tmp_path / "mine.py").write_text("answer = 42")
    assert import_file(tmp_path / "mine.py", "--task").answer == 42


@pytest.mark.parametrize(
    ("text", "said"),
    [("x = 1\nraise ValueError('no')", r"mine\.py:2: ValueError: no"), ("x = (", r"mine\.py:1: SyntaxError")],
)
def test_what_a_users_file_raises_is_said_with_its_line(tmp_path, text, said):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=said):
        import_file(tmp_path / "mine.py", "--task")
