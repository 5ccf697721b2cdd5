"""Slow graders are shared out to processes: the same findings, each process within its time."""

import math
import os
import time
from pathlib import Path

import pytest

from ratchet.audit import RecipeRewards, audit
from ratchet.audit import helpers as module
from ratchet.audit.helpers import shared_out
from ratchet.errors import UserError
from ratchet.recipe.groups import Audit
from ratchet.rewards import REWARDS, RewardTerm
from ratchet.tasks import Grade, Split, Task


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Two processes, for any work."""
    monkeypatch.setattr(module, "WORTH", -1.0)
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def done(work, items, until=math.inf, timeout=30.0, beat=lambda doing: None) -> dict:
    pairs = shared_out(lambda item, beat: (item, work(item, beat)), items, 1.0, until, timeout, beat)
    return dict(pairs)


def test_every_item_comes_back_with_its_result_from_several_processes():
    found = done(lambda item, beat: (item * item, os.getpid()), range(0, 60, 5))
    assert {item: square for item, (square, _) in found.items()} == {item: item * item for item in range(0, 60, 5)}
    assert len({pid for _, pid in found.values()}) > 1


def test_little_work_starts_no_process(monkeypatch):
    monkeypatch.setattr(module, "WORTH", 60.0)
    assert set(done(lambda item, beat: os.getpid(), range(5)).values()) == {os.getpid()}


@pytest.mark.parametrize("worth", [-1.0, 60.0], ids=["shared out", "here"])
def test_nothing_is_begun_when_time_is_up(monkeypatch, worth):
    monkeypatch.setattr(module, "WORTH", worth)
    assert done(lambda item, beat: item, [3, 4, 5], until=time.monotonic() - 1) == {}


@pytest.mark.parametrize("item", [0, 4])
def test_what_the_work_raises_is_told(item):
    def work(number, beat):
        if number == item:
            raise UserError(f"row {number} is broken")
        return number

    with pytest.raises(UserError, match=f"row {item} is broken"):
        done(work, range(6))


def test_a_step_that_does_not_return_is_named_although_others_go_on():
    def work(number, beat):
        beat(f"grading row r{number}")
        time.sleep(60 if number == 3 else 0.05)

    with pytest.raises(UserError, match=r"grading row r3 took longer than 0.5 s \(audit.timeout\)"):
        done(work, range(40), timeout=0.5)


def test_a_process_that_dies_is_no_pass():
    def work(number, beat):
        beat(f"grading row r{number}")
        return number if number != 3 else os._exit(0)

    with pytest.raises(UserError, match="a process of the audit died while grading row r3"):
        done(work, range(5))


def test_a_result_that_cannot_be_passed_is_a_sentence():
    with pytest.raises(UserError, match="cannot be passed between processes"):
        done(lambda number, beat: lambda: number, range(3))


class Slow(Task):
    """Sums of two numbers; its grader writes down which process it ran in."""

    name = "slow"
    pids: Path

    def load(self, split):
        return Split([{"id": f"r{i}", "a": i, "b": 7 * i} for i in range(70)])

    def messages(self, row):
        return [{"role": "user", "content": f"{row['a']} + {row['b']}?"}]

    def target(self, row):
        return self.gold(row)

    def gold(self, row):
        return str(row["a"] + row["b"])

    def grade(self, completion, row):
        with self.pids.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return Grade(completion.strip() == self.gold(row), completion.strip() or None)


def test_an_audit_that_is_shared_out_finds_the_same(tmp_path, monkeypatch):
    task = Slow()
    task.pids = tmp_path / "pids"

    def report():
        found = audit(
            task, task.load("train").rows, RecipeRewards([RewardTerm(REWARDS["correctness"])], 64), 64, "slow"
        )
        return {name: value for name, value in found.as_dict().items() if name != "seconds"}

    several = report()
    assert len(set(task.pids.read_text().split())) == 3  # the first rows here, the others in two processes
    monkeypatch.setattr(module, "MOST", 1)
    assert several == report()


def test_an_audit_whose_time_is_up_says_how_many_rows_it_was(tmp_path):
    task = Slow()
    task.pids = tmp_path / "pids"
    rewards = RecipeRewards([RewardTerm(REWARDS["correctness"])], 64)
    found = audit(task, task.load("train").rows, rewards, 64, "slow", Audit(seconds=0.0))
    assert (found.as_dict()["rows"], found.as_dict()["rows_asked"]) == (4, 70)
