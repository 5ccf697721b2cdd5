"""Which rows go through the model together, decided from their lengths alone.

A pass over rows of different lengths computes as many tokens as it has rows times its longest. Rows are therefore
sorted by length and cut where that costs least; a pass costs something by itself too, so that there are not too many.
Where the completions of one prompt are in one pass, the prompt can be computed once for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERHEAD = {"cpu": 128}
"""What a pass costs by itself, in tokens (measured on two CPU cores with models of 1 to 135 million weights)."""
OVERHEAD_ELSEWHERE = 1024
MOST_SORTED = 256
"""Above so many rows neighbours in length are taken together: the search is quadratic."""


@dataclass(frozen=True)
class Limits:
    """How large a pass may be.

    Attributes:
        rows: at most so many rows in one.
        tokens: at most so many tokens, padding included; a row that is longer has a pass of its own. None: any.
        overhead: what a pass costs beside its tokens, in tokens.
        shares: whether a prompt can be computed once for several completions.
    """

    rows: int
    tokens: int | None = None
    overhead: int = OVERHEAD["cpu"]
    shares: bool = False


@dataclass(frozen=True)
class Row:
    """One completion with its prompt.

    Attributes:
        prompt, completion: tokens of each.
        group: rows of the same prompt have the same.
    """

    prompt: int
    completion: int
    group: int = 0

    @property
    def length(self) -> int:
        """Tokens of both."""
        return self.prompt + self.completion


Passes = list[list[int]]
"""Numbers of the rows of each pass."""


def cost(rows: Sequence[Row], shares: bool) -> int:
    """Tokens that one pass over some rows computes, padding included: with or without sharing, whichever is less."""
    if not rows:
        return 0
    apart = len(rows) * max(row.length for row in rows)
    return min(apart, shared_cost(rows)) if shares else apart


def shared_cost(rows: Sequence[Row]) -> int:
    """Tokens of a pass in which each prompt but its last token is computed once, and then the rest of every row."""
    prompts = len({row.group for row in rows}) * (max(row.prompt for row in rows) - 1)
    return prompts + len(rows) * (1 + max(row.completion for row in rows))


def passes(rows: Sequence[Row], left_out: Sequence[bool], processes: int, limits: Limits) -> list[Passes]:
    """Who computes which rows, in which passes.

    Args:
        left_out: whether a row is not computed at all.

    Returns:
        For each process its passes. All have the same number of them, at least one, since processes wait for each
        other in every pass; a pass may be empty. Rows of a pass, and passes by their first rows, are in order.
    """
    live = [number for number, out in enumerate(left_out) if not out]
    plans = [_plan(rows, _shared_out(rows, [[number] for number in live], processes), limits, False)]
    if limits.shares:
        groups: dict[int, list[int]] = {}
        for number in live:
            groups.setdefault(rows[number].group, []).append(number)
        plans.append(_plan(rows, _shared_out(rows, [*groups.values()], processes), limits, True))
        if processes > 1:  # too few groups to be even: some are shared by neighbours
            plans.append(_plan(rows, _in_turn(rows, [*groups.values()], processes), limits, True))
    return min(plans, key=lambda plan: _seconds(rows, plan, limits))


def _seconds(rows: Sequence[Row], plan: list[Passes], limits: Limits) -> int:
    """What a plan costs, in tokens: in each pass everybody waits for the one with the most."""
    found = 0
    for each in zip(*plan, strict=True):
        found += limits.overhead + max(cost([rows[number] for number in own], limits.shares) for own in each)
    return found


def _shared_out(rows: Sequence[Row], parts: Sequence[list[int]], processes: int) -> list[list[int]]:
    """Give every process about the same number of tokens: the largest part first, each to whoever has least."""
    sizes = [sum(rows[number].length for number in part) for part in parts]
    own: list[list[int]] = [[] for _ in range(processes)]
    tokens = [0] * processes
    for size, part in sorted(zip(sizes, parts, strict=True), key=lambda each: (-each[0], each[1])):
        least = min(range(processes), key=lambda process: (tokens[process], process))
        own[least] += part
        tokens[least] += size
    return own


def _in_turn(rows: Sequence[Row], groups: Sequence[list[int]], processes: int) -> list[list[int]]:
    """Give every process about the same number of tokens, of groups that follow each other: few are cut in two."""
    own: list[list[int]] = [[] for _ in range(processes)]
    sizes = {n: 1 + rows[n].completion + rows[n].prompt / len(group) for group in groups for n in group}
    whole, passed = sum(sizes.values()), 0.0
    for number, size in sizes.items():
        own[min(processes - 1, int((passed + size / 2) / whole * processes))].append(number)
        passed += size
    return own


def _plan(rows: Sequence[Row], shares_of: list[list[int]], limits: Limits, shares: bool) -> list[Passes]:
    found = [_cut(rows, own, limits, shares) for own in shares_of]
    most = max(1, *(len(each) for each in found))
    return [each + [[] for _ in range(most - len(each))] for each in found]


def _cut(rows: Sequence[Row], own: Sequence[int], limits: Limits, shares: bool) -> Passes:
    """Cut rows into the passes that cost least together."""
    if not own:
        return []
    overhead, most = limits.overhead, limits.tokens
    if shares:  # every pass may meet every prompt again
        prompts = {rows[number].group: rows[number].prompt for number in own}.values()
        overhead += sum(prompts)
        most = None if most is None else most - len(prompts) * max(prompts)
    lengths = {number: 1 + rows[number].completion if shares else rows[number].length for number in own}
    ordered = sorted(own, key=lambda number: (lengths[number], number))
    together = min(-(-len(ordered) // MOST_SORTED), limits.rows)
    pieces = [ordered[i : i + together] for i in range(0, len(ordered), together)]
    if most is not None and len(pieces[-1]) * lengths[ordered[-1]] > most:  # what is one piece always has one pass
        pieces = [[number] for number in ordered]
    begins = _begins(
        [len(piece) for piece in pieces], [lengths[piece[-1]] for piece in pieces], limits.rows, most, overhead
    )
    found, end = [], len(pieces)
    while end:
        found.append(sorted(number for piece in pieces[begins[end] : end] for number in piece))
        end = begins[end]
    return sorted(found)


def _begins(counts: Sequence[int], widths: Sequence[int], rows: int, tokens: int | None, overhead: int) -> list[int]:
    """The cheapest cuts of pieces that are sorted by width: entry [i] is where the last pass of the first i begins."""
    sizes = np.array([0, *np.cumsum(counts)], dtype=np.float64)
    best, begins = [0.0], [0]
    for end, width in enumerate(widths, 1):
        inside = sizes[end] - sizes[:end]
        fits = inside <= rows
        if tokens is not None:
            fits &= inside * width <= tokens
        fits[-1] = True  # one piece alone always goes: what is larger than the limit has a pass of its own
        costs = np.where(fits, np.array(best) + inside * width + overhead, np.inf)
        begins.append(int(costs.argmin()))
        best.append(float(costs[begins[-1]]))
    return begins
