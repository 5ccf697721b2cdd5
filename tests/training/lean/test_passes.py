"""Which rows share a pass, decided from lengths alone."""

import random

import pytest

from ratchet.training.lean.passes import Limits, Row, cost, passes


def drawn(seed, groups, size, prompt=(80, 260), most=2048):
    draw = random.Random(seed)
    rows = []
    for group in range(groups):
        length = draw.randint(*prompt)
        rows += [Row(length, max(1, min(most, int(draw.lognormvariate(5.7, 0.75)))), group) for _ in range(size)]
    return rows


def computed(rows, plan, shares=False):
    return [sum(cost([rows[i] for i in own], shares) for own in rank) for rank in plan]


PLANS = [
    (rows, processes, Limits(most, tokens, 128, shares))
    for rows in (drawn(1, 4, 8), drawn(2, 16, 8, (50, 75), 20), drawn(3, 1, 2), drawn(4, 40, 16))
    for processes in (1, 2, 3)
    for most, tokens in ((4, None), (64, None), (10**6, 3000))
    for shares in (False, True)
]


@pytest.mark.parametrize(("rows", "processes", "limits"), PLANS)
def test_every_row_is_computed_once_within_the_limits(rows, processes, limits):
    out = [number % 5 == 0 for number in range(len(rows))]
    plan = passes(rows, out, processes, limits)
    assert len(plan) == processes
    assert sorted(n for rank in plan for own in rank for n in own) == [n for n, is_out in enumerate(out) if not is_out]
    for own in (own for rank in plan for own in rank):
        assert len(own) <= limits.rows
        assert limits.tokens is None or len(own) <= 1 or cost([rows[n] for n in own], limits.shares) <= limits.tokens


@pytest.mark.parametrize(("rows", "processes", "limits"), PLANS)
def test_processes_make_the_same_number_of_passes(rows, processes, limits):
    for out in (False, True):
        plan = passes(rows, [out] * len(rows), processes, limits)
        assert len({len(rank) for rank in plan}) == 1
        assert len(plan[0]) >= 1


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_little_is_computed_beyond_what_is_needed(seed, processes):
    rows = drawn(seed, 8 * processes, 8)
    own = computed(rows, passes(rows, [False] * len(rows), processes, Limits(8)))
    assert sum(own) <= 1.06 * sum(row.length for row in rows)
    assert max(own) <= 1.05 * sum(own) / processes


def test_long_prompts_of_short_completions_are_computed_once():
    rows = drawn(0, 16, 8, (60, 65), 12)
    own = computed(rows, passes(rows, [False] * len(rows), 1, Limits(128, shares=True)), shares=True)
    assert sum(own) < 0.5 * sum(row.length for row in rows)


def test_short_prompts_of_long_completions_are_not():
    rows = drawn(0, 4, 8, (5, 8))
    apart, shared = (passes(rows, [False] * len(rows), 1, Limits(4, shares=shares)) for shares in (False, True))
    assert apart == shared


def test_few_rows_are_cut_into_few_passes():
    assert passes([Row(10, n) for n in range(1, 9)], [False] * 8, 1, Limits(8)) == [[list(range(8))]]


def test_passes_begin_with_the_first_row():
    rows = drawn(7, 8, 8)
    (plan,) = passes(rows, [False] * len(rows), 1, Limits(4))
    assert plan[0][0] == 0
    assert plan == sorted(plan)
    assert all(own == sorted(own) for own in plan)
