"""Worked forms of other words, which a teacher of Dakota grammar reads beside a question.

A recipe names the function: ``context: dakota_forms.py:worked``.
"""

import functools
import zlib

from ratchet.tasks.dakota.task import Dakota

SHOWN = 4


@functools.lru_cache(maxsize=1)
def known() -> dict[tuple[str, str], list[dict]]:
    """Training rows by family of forms and kind of question; held-out stems are not among them."""
    found: dict[tuple[str, str], list[dict]] = {}
    for row in Dakota(source="generated", instruction="").load("train").rows:
        found.setdefault(_family(row), []).append(row)
    return found


def _family(row: dict) -> tuple[str, str]:
    return row["id"].partition("-")[0], row["kind"]


def worked(row: dict) -> str:
    """Some forms of other stems with their answers, of the same page of the grammar first."""

    def distance(one: dict) -> tuple[bool, int]:
        return one["rule"] != row["rule"], zlib.crc32(f"{row['id']} {one['id']}".encode())

    others = [one for one in known()[_family(row)] if one["stem"] != row["stem"]]
    chosen = sorted(others, key=distance)[:SHOWN]
    lines = "\n\n".join(f"{one['question']}\n{one['answers'][0]}" for one in chosen)
    return f"For you alone, forms of other words, worked. Never mention that you were shown any.\n\n{lines}"
