"""Intervals, pass@k and the paired test, against independent computations."""

import itertools
import random

import pytest

from ratchet.evaluation.statistics import mcnemar, mean_share, pass_at_k, powers_of_two, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # from the closed form, worked by hand in double precision elsewhere (Newcombe, 1998, table I, method 3)
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_agrees_with_newcombes_published_table(successes, n, low, high):
    share = wilson(successes, n)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)


@pytest.mark.parametrize("n", [1, 5, 6])
def test_pass_at_k_is_the_share_of_k_subsets_with_a_right_one(n):
    for c in range(n + 1):
        for k in range(1, n + 1):
            subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
            assert pass_at_k(n, c, k) == pytest.approx(sum(any(s) for s in subsets) / len(subsets))


def test_mcnemar_is_the_binomial_test_on_the_rows_that_differ():
    first, second = [True] * 10 + [False] * 12, [False] * 10 + [True] * 2 + [False] * 10
    result = mcnemar(first, second)
    assert (result["only_first"], result["only_second"]) == (10, 2)
    assert result["p"] == pytest.approx(2 * (1 + 12 + 66) / 2**12)
    assert mcnemar(first, first)["p"] == 1.0


def test_intervals_hold_the_truth_about_95_times_in_100():
    rng = random.Random(0)
    for interval in (lambda xs: wilson(sum(xs), len(xs)), lambda xs: mean_share([float(x) for x in xs])):
        hits = 0
        for _ in range(1000):
            share = interval([rng.random() < 0.3 for _ in range(200)])
            hits += share.low <= 0.3 <= share.high
        assert 925 <= hits <= 975


def test_the_ks_of_pass_at_k_are_powers_of_two():
    assert powers_of_two(8) == [1, 2, 4, 8]
    assert powers_of_two(6) == [1, 2, 4]
