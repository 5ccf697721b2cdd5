"""Each prompt once, in one split; held-out rows where a source has none; and a turn of a conversation in each row."""

import hashlib
from collections.abc import Callable, Iterator, Sequence

from ratchet.tasks.base import SPLITS, Row
from ratchet.tasks.dataset.graders import ANSWER, OPTIONS


def divided(
    rows: Sequence[Row], shares: dict[str, float], group: Callable[[Row], str], seed: int
) -> dict[str, list[Row]]:
    """Rows in splits; those of one group stay together, and a group's place depends on its name and the seed alone.

    Args:
        shares: split -> of the rows, for those that are made; what is left is "train".
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(group(row), []).append(row)
    order = sorted(groups, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())
    found: dict[str, list[Row]] = {split: [] for split in SPLITS}
    for name in order:
        wanting = (
            split for split, share in shares.items() if len(found[split]) + len(groups[name]) <= share * len(rows)
        )
        found[next(wanting, "train")] += groups[name]
    places = {row["id"]: number for number, row in enumerate(rows)}
    return {split: sorted(part, key=lambda row: places[row["id"]]) for split, part in found.items()}


def asked(row: Row) -> str:
    """What a row asks, as it is compared."""
    texts = [*(message["content"] for message in row["prompt"]), *row.get(OPTIONS, ())]
    return " ".join(" ".join(texts).casefold().split())


def _known_by(row: Row) -> str:
    """What makes a row the same as another: what it asks; where nobody checks the answer, what it answers too."""
    return f"{asked(row)}\n{row['completion'] if row[ANSWER] is None else ''}"


def without_repeats(parts: dict[str, list[Row]]) -> tuple[dict[str, list[Row]], list[str]]:
    """Each prompt once, where its answers are one; held-out rows first, so that none of them is trained on."""
    answers: dict[str, set[str]] = {}
    for part in parts.values():
        for row in part:
            answers.setdefault(_known_by(row), set()).add(str(row[ANSWER]))
    seen: set[str] = set()
    kept: dict[str, list[Row]] = {}
    repeated = contradicted = 0
    for split in reversed(SPLITS):
        kept[split] = []
        for row in parts[split]:
            known = _known_by(row)
            if len(answers[known]) > 1:
                contradicted += 1
            elif known in seen:
                repeated += 1
            else:
                seen.add(known)
                kept[split].append(row)
    notes = [f"removed {repeated} rows whose prompt is there already, held-out rows first"] if repeated else []
    notes += [f"removed {contradicted} rows whose prompt is there with another answer"] if contradicted else []
    return {split: kept[split] for split in SPLITS}, notes


def turns(row: Row) -> Iterator[Row]:
    """A row for each of the assistant's turns in a conversation, with all before it as its prompt."""
    spoken = [place for place, message in enumerate(row["prompt"]) if message["role"] == "assistant"]
    for number, place in enumerate(spoken, start=1):
        if place and row["prompt"][place]["content"].strip():
            said = row["prompt"][place]["content"]
            yield {**row, "id": f"{row['id']}.{number}", "prompt": row["prompt"][:place], "completion": said}
    yield {**row, "id": f"{row['id']}.{len(spoken) + 1}"} if spoken else row
