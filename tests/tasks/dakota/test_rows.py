"""Splitting the cleaned rows, and writing them where they are read again."""

import json

import pytest
from published_dakota import cleaned, translated

from ratchet.errors import UserError
from ratchet.tasks.dakota.orthography import normalise, skeleton
from ratchet.tasks.dakota.rows import split_rows
from ratchet.tasks.dakota.task import Dakota


def marks(row):
    found = {
        f"rule {row['rule']}",
        f"question {normalise(row['question'], 'modern')}",
        f"form {skeleton(row['form'])}",
    }
    return found | ({f"answer {skeleton(row['answers'][0])}"} if " " in row["answers"][0] else set())


def test_splits_share_no_rule_question_form_or_long_answer(dakota_folder):
    task = Dakota(source=str(dakota_folder))
    train, validation, test = (task.load(split).rows for split in ("train", "validation", "test"))
    assert min(map(len, (train, validation, test))) > 200
    seen = [set().union(*map(marks, rows)) for rows in (train, validation, test)]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_rows_that_hang_together_stay_together():
    rows = cleaned(
        *(translated(f"{a}ŋa{b}", f"the man {a} {b}", rule_id=f"rule {a}") for a in "abcdefghijkl" for b in range(5))
    ).rows
    parts = split_rows(rows, 0.2, seed=1)
    assert all(parts.values())
    assert sum(map(len, parts.values())) == len(rows)
    assert [
        len({row["rule"] for row in part} & {row["rule"] for row in parts["train"]})
        for part in (parts["validation"], parts["test"])
    ] == [0, 0]


def test_preparing_writes_splits_report_and_manifest_that_are_read_again(dakota_folder, tmp_path):
    Dakota(source=str(dakota_folder)).prepare(tmp_path / "made")
    manifest = json.loads((tmp_path / "made/manifest.json").read_text())
    assert manifest["read"] == 7267 and set(manifest["files"]) == {"train.jsonl", "validation.jsonl", "test.jsonl"}
    assert "placeholder" in (tmp_path / "made/report.md").read_text(encoding="utf-8")
    for split in ("train", "validation"):
        assert (
            Dakota(source=str(tmp_path / "made")).load(split).rows
            == Dakota(source=str(dakota_folder)).load(split).rows
        )


def test_a_prepared_file_that_was_changed_is_refused(dakota_folder, tmp_path):
    Dakota(source=str(dakota_folder)).prepare(tmp_path / "made")
    with (tmp_path / "made/train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match="SHA-256 differs"):
        Dakota(source=str(tmp_path / "made")).load("train")
