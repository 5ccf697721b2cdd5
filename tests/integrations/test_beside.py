"""Two ways of measuring, side by side, and what is written of them."""

import json
from types import SimpleNamespace

from ratchet.evaluation.evaluate import Answered, Result
from ratchet.integrations.beside import table, write

ENTRIES = [{"id": "1", "correct": True, "completion": "A"}, {"id": "2", "correct": True, "completion": "B"}]
LETTERS = [{"id": "1", "correct": False, "completion": None}]


def ours(*completions: str) -> Result:
    answered = [
        Answered(str(i), "A", "A", completion == "A", completion, 1, False)
        for i, completion in enumerate(completions, 1)
    ]
    return Result("m", "t", "test", answered, "AB", seconds=1.0, generated_tokens=2)


def test_both_ways_stand_side_by_side():
    lines = table("lighteval", {"t_letters": LETTERS, "t": ENTRIES}, ours("A", "C")).splitlines()
    assert lines[2].startswith("| t | 1.000 [") and lines[2].endswith("(n = 2) | 1 of 2 | 1 of 2 |")
    assert lines[3].startswith("| t_letters | 0.000 [") and lines[3].endswith("| nothing is generated |  |  |")


def test_a_harness_alone_has_one_column():
    assert table("lm-eval", {"t": ENTRIES}, None).splitlines()[:2] == ["| task | lm-eval |", "|---|---|"]


def test_results_and_every_row_are_written_and_earlier_ones_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recipe = SimpleNamespace(task=SimpleNamespace(name="aquarat"), evaluation=SimpleNamespace(split="test"))
    for _ in range(2):
        write("lighteval", recipe, "some/model", {"t": ENTRIES}, ours("A", "C"))
    folder = tmp_path / "outputs/evaluations/some--model"
    result = json.loads((folder / "lighteval-aquarat-test.json").read_text())
    assert result["tasks"]["t"]["n"] == 2 and result["ratchet"]["accuracy"] == 0.5
    rows = [json.loads(line) for line in (folder / "lighteval-aquarat-test.jsonl").read_text().splitlines()]
    assert rows == [{"task": "t", **entry} for entry in ENTRIES]
    assert (folder / "lighteval-aquarat-test-1.json").is_file() and "kept the earlier" in capsys.readouterr().out
