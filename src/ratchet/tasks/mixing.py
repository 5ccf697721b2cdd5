"""Rows of several sources or tasks, each with its share."""

import random
from collections.abc import Sequence

from ratchet.errors import UserError
from ratchet.tasks.base import Row

MOST = 1_000
"""Times that a row may come again."""


def by_share(parts: Sequence[Sequence[Row]], shares: Sequence[float], seed: int) -> list[list[Row]]:
    """Every row at least once, and as many of each part as its share asks for: some rows come several times.

    The part that is largest for its share is taken once. A row that comes again has an id of its own.

    Args:
        shares: of the rows, greater than 0; they need not add up to 1.
        seed: of which rows come once more than others.

    Raises:
        UserError: where a row would come more than ``MOST`` times.

    >>> few, many = [{"id": "a"}], [{"id": f"b{i}"} for i in range(3)]
    >>> [[row["id"] for row in part] for part in by_share([few, many], [1, 1], seed=0)]
    [['a', 'a~2', 'a~3'], ['b0', 'b1', 'b2']]
    """
    scale = max(len(part) / share for part, share in zip(parts, shares, strict=True))
    most = max(scale * share / len(part) for part, share in zip(parts, shares, strict=True))
    if most > MOST:
        raise UserError(
            f"shares {', '.join(f'{share:g}' for share in shares)} for {', '.join(str(len(part)) for part in parts)} "
            f"rows would take each row of one part {most:.0f} times; {MOST} is the most"
        )
    found = []
    for part, share in zip(parts, shares, strict=True):
        whole, rest = divmod(round(scale * share), len(part))
        chosen = sorted(random.Random(seed).sample(range(len(part)), rest))
        again = [{**row, "id": f"{row['id']}~{turn}"} for turn in range(2, whole + 1) for row in part]
        more = [{**part[i], "id": f"{part[i]['id']}~{whole + 1}"} for i in chosen]
        found.append([*part, *again, *more])
    return found
