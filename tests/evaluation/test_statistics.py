"""Intervals, pass@k and the paired test, against independent computations."""

import itertools
import random

import pytest

from ratchet.evaluation.statistics import Share, mcnemar, mean_share, pass_at_k, powers_of_two, share, wilson


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


def test_wilsons_interval_holds_the_truth_about_95_times_in_100():
    rng = random.Random(0)
    hits = 0
    for _ in range(1000):
        found = wilson(sum(rng.random() < 0.3 for _ in range(200)), 200)
        hits += found.low <= 0.3 <= found.high
    assert 925 <= hits <= 975


RUNS = 300
ENOUGH = 0.95 - 2 * (0.95 * 0.05 / RUNS) ** 0.5  # what a true 95 % falls below once in forty simulations

# How likely a row's samples are right: a share of the rows with one probability, the others with another.
ROWS = {
    "nearly all": (0.9, 0.99, 0.2),
    "all but a few": (0.99, 1.0, 0.05),
    "hardly any": (0.02, 0.9, 0.0),
    "alike": (1.0, 0.3, 0.0),
    "all or nothing": (0.5, 1.0, 0.0),
}


@pytest.mark.parametrize("n", [10, 50, 500])
@pytest.mark.parametrize("k", [1, 8])
@pytest.mark.parametrize("rows", ROWS)
def test_the_interval_of_pass_at_k_covers_at_least_as_often_as_it_says(n, k, rows):
    share_of_rows, often, seldom = ROWS[rows]
    truth = share_of_rows * (1 - (1 - often) ** k) + (1 - share_of_rows) * (1 - (1 - seldom) ** k)
    rng, hits, runs = random.Random(0), 0, RUNS if n < 500 else 100
    for _ in range(runs):
        chances = [often if rng.random() < share_of_rows else seldom for _ in range(n)]
        found = mean_share([pass_at_k(8, sum(rng.random() < chance for _ in range(8)), k) for chance in chances])
        hits += found.low <= truth <= found.high
    assert hits / runs >= (ENOUGH if n < 500 else 0.9)


@pytest.mark.parametrize("count", [5, 20])
@pytest.mark.parametrize(("truth", "alike"), [(0.5, 0.001), (0.5, 0.5), (0.9, 0.2), (0.97, 0.9)])
def test_the_interval_over_clusters_covers_however_alike_their_rows_are(count, truth, alike):
    rng, hits, width = random.Random(0), 0, 1 / alike - 1
    for _ in range(RUNS):
        chances = [rng.betavariate(truth * width, (1 - truth) * width) for _ in range(count)]
        right = [rng.random() < chance for chance in chances for _ in range(23)]
        found = share(right, [i // 23 for i in range(len(right))])
        hits += found.low <= truth <= found.high
    assert hits / RUNS >= ENOUGH


def test_rows_that_hang_together_count_as_one_and_it_is_said():
    apart, together = share([True] * 40, range(40)), share([True] * 40, [i // 8 for i in range(40)])
    assert apart == wilson(40, 40)
    assert together.low < 0.5 < apart.low and str(together).endswith("(n = 40 in 5 clusters)")
    assert Share.of({**together.as_dict(), "step": 3}) == together and "clusters" not in apart.as_dict()


def test_paired_groups_are_won_or_lost_whole():
    first, second = [False] * 20, [True] * 20
    assert mcnemar(first, second)["p"] == pytest.approx(2 / 2**20)
    assert mcnemar(first, second, [i // 5 for i in range(20)])["p"] == pytest.approx(2 / 2**4)


def test_the_ks_of_pass_at_k_are_powers_of_two():
    assert powers_of_two(8) == [1, 2, 4, 8]
    assert powers_of_two(6) == [1, 2, 4]
