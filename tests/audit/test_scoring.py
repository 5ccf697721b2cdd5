"""Rewards that return what they must not, and rewards of somebody else."""

import pytest
from small_audit import ROWS, TASK, failed, found, rewarding

from ratchet.audit import ForeignReward, audit
from ratchet.errors import UserError


def broken(function, says):
    with pytest.raises(UserError, match=says):
        found(rewarding(function))


def test_a_reward_that_raises_is_named_with_row_and_column():
    broken(
        lambda sample: sample.row["difficulty"],
        r"rewards\.<lambda> of row validation-\d+ raises KeyError: 'difficulty' \(test_scoring.py:\d+\); "
        "the row has no column 'difficulty'",
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "returns nan"),
        (None, "returns None, which is no number"),
        (1.5, "outside its stated range 0 to 1"),
        ("x", "no number"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_row(value, says):
    broken(
        lambda sample: value, rf"rewards.<lambda> of row validation-\d+ {says}" if says.startswith("returns") else says
    )


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda completions, **columns: [0.0], "returns 1 values for"),
        (lambda completions, **columns: 1.0, "returns a list of numbers"),
        (lambda completions, **columns: [float("inf")] * len(completions), "returns inf"),
        (lambda completions, column_that_is_not_there: [], "raises TypeError"),
    ],
)
def test_a_foreign_reward_that_returns_what_it_must_not_is_named(function, says):
    with pytest.raises(UserError, match=says):
        audit(TASK, ROWS[:3], ForeignReward("mine", function, TASK), None, "test")


def test_a_foreign_reward_gets_conversations_as_trl_passes_them():
    seen = []

    def mine(prompts, completions, correct, **columns):
        seen.append((prompts[0][0]["role"], completions[0][0]["role"], correct[0]))
        return [0.0] * len(completions)

    audit(TASK, ROWS[:1], ForeignReward("mine", mine, TASK), None, "test")
    assert seen[0] == ("user", "assistant", ROWS[0]["correct"])


def test_a_foreign_reward_that_wants_to_leave_is_no_pass():
    def leaving(completions, **columns):
        raise SystemExit(0)

    with pytest.raises(UserError, match="raises SystemExit: 0.*--plain"):
        audit(TASK, ROWS[:1], ForeignReward("leaving", leaving, TASK), None, "test")


def test_a_stated_range_of_a_foreign_reward_is_what_gold_is_measured_by():
    def half(completions, **columns):
        return [0.5] * (len(completions) - 1) + [0.0]

    half.range = (0.0, 1.0)
    report = audit(TASK, ROWS[:3], ForeignReward("half", half, TASK), None, "test")
    assert {"gold-below-maximum", "unreachable-component"} <= failed(report)
