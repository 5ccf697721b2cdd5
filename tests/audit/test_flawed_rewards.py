"""Rewards of somebody else: those with a fault are found, and what TRL takes is taken."""

import random
import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_audit import failed

from ratchet.audit import ForeignReward, audit, load_function
from ratchet.errors import UserError
from ratchet.recipe.groups import Audit
from ratchet.tasks import Grade, Split, Task

FLAWED = Path(__file__).with_name("flawed.py")


@dataclass
class Pens(Task):
    """Numbers after ####, as a user writes such a task."""

    name = "pens"

    def load(self, split):
        rng, rows = random.Random(split), []
        for i in range(60):
            a, b = rng.randint(20, 90), rng.randint(20, 90)
            rows.append({"id": f"{split}-{i}", "question": f"Mia has {a} pens and buys {b}.", "answer": str(a + b)})
        return Split(rows)

    def messages(self, row):
        return [{"role": "user", "content": f"{row['question']}\nHow many has she? Write the number after ####."}]

    def gold(self, row):
        return row["answer"]

    def target(self, row):
        return f"She has that many.\n#### {row['answer']}"

    def commit(self, answer, row):
        return f"#### {answer}"

    def grade(self, completion, row):
        found = re.findall(r"####\s*(-?[\d.]+)", completion)
        return Grade(bool(found) and found[-1] == row["answer"], found[-1] if found else None)


ROWS = Pens().load("train").rows


def audited(name, task=None, **settings):
    task = task or Pens()
    reward = ForeignReward(name, load_function(f"{FLAWED}:{name}"), task)
    return audit(task, ROWS, reward, 256, name, Audit(**settings))


@pytest.mark.parametrize("name", ["clean", "asynchronous", "not_for_all", "logging"])
def test_what_trl_takes_is_taken_and_passes(name):
    report = audited(name)
    assert failed(report) == set(), report.table()


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("shifted", "gold-below-maximum"),
        ("by_batch", "depends-on-batch"),
        ("by_order", "depends-on-batch"),
        ("by_calls", "depends-on-batch"),
        ("forgiving", "depends-on-batch"),
        ("longer", "ignorance-pays"),
        ("headings", "ignorance-pays"),
        ("waiting", "ignorance-pays"),
        ("prefix", "hack-pays"),
        ("tolerant", "hack-pays"),
    ],
)
def test_a_reward_with_a_fault_is_found(name, finding):
    assert finding in failed(audited(name))


def test_a_task_without_the_form_in_commit_is_told_about_it():
    class Formless(Pens):
        def commit(self, answer, row):
            return answer

    report = audited("clean", Formless())
    assert "gold-below-maximum" in failed(report) and "Task.commit" in report.table()


class Verified(Pens):
    """The task with no gold and no target: it can only verify."""

    def gold(self, row):
        return None

    def target(self, row):
        return ""


def test_a_task_that_only_verifies_needs_no_gold():
    report = audited("clean", Verified())
    assert failed(report) == set(), report.table()


def test_a_bonus_without_a_gold_is_found_all_the_same():
    assert "ignorance-pays" in failed(audited("headings", Verified()))


def test_time_that_is_up_ends_the_audit_with_an_honest_count():
    class Slow(Pens):
        def grade(self, completion, row):
            time.sleep(0.001)
            return super().grade(completion, row)

    report = audited("clean", Slow(), seconds=0.01)
    assert report.tally.rows < report.tally.asked == 60
    assert f"{report.tally.rows} of 60 rows, as time was up" in report.table()


def test_a_reward_that_raises_in_a_batch_is_named_with_its_own_row():
    def raising(completions, answer, **columns):
        if ROWS[7]["answer"] in answer and any("lorem" in c[-1]["content"] for c in completions):
            raise ValueError("on purpose")
        return [0.0] * len(completions)

    with pytest.raises(UserError, match=r"raising of row train-\d+ raises ValueError: on purpose"):
        audit(Pens(), ROWS, ForeignReward("raising", raising, Pens()), 256, "test")
