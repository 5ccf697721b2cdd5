"""Rewards with known faults, and one without, for rows with a number as gold; each as TRL calls it."""

import re

CALLS = {"count": 0}


def text(completion):
    return completion if isinstance(completion, str) else completion[-1]["content"]


def right(completion, answer):
    found = re.findall(r"####\s*(-?[\d.]+)", text(completion))
    return float(bool(found) and found[-1] == answer)


def clean(completions, answer, **columns):
    return [right(c, a) for c, a in zip(completions, answer, strict=True)]


def shifted(completions, answer, **columns):
    return clean(completions, answer[1:] + answer[:1])


def by_batch(completions, answer, **columns):
    return [right(c, a) / len(completions) * 64 for c, a in zip(completions, answer, strict=True)]


def by_order(completions, answer, **columns):
    return [right(c, a) * (1 + (i % 2)) for i, (c, a) in enumerate(zip(completions, answer, strict=True))]


def by_calls(completions, answer, **columns):
    CALLS["count"] += 1
    return [right(c, a) + 0.01 * CALLS["count"] for c, a in zip(completions, answer, strict=True)]


def forgiving(completions, answer, **columns):
    try:
        if any(len(text(c)) > 1000 for c in completions):
            raise ValueError("too long")
        return clean(completions, answer)
    except ValueError:
        return [1.0] * len(completions)


def longer(completions, answer, completion_ids, **columns):
    return [right(c, a) + min(1.0, len(i) / 200) for c, a, i in zip(completions, answer, completion_ids, strict=True)]


def headings(completions, answer, **columns):
    return [right(c, a) + 0.5 * ("##" in text(c)) for c, a in zip(completions, answer, strict=True)]


def waiting(completions, answer, **columns):
    return [
        right(c, a) + 0.2 * min(5, text(c).lower().count("wait")) for c, a in zip(completions, answer, strict=True)
    ]


def prefix(completions, answer, **columns):
    return [
        float((re.findall(r"####\s*(\S+)", text(c)) or [""])[-1].startswith(a))
        for c, a in zip(completions, answer, strict=True)
    ]


def tolerant(completions, answer, **columns):
    found = [(re.findall(r"####\s*(-?\d+)", text(c)) or ["nan"])[-1] for c in completions]
    return [float(abs(float(f) - float(a)) <= 0.05 * abs(float(a))) for f, a in zip(found, answer, strict=True)]


async def asynchronous(completions, answer, **columns):
    return clean(completions, answer)


def not_for_all(completions, answer, **columns):
    return [None if not text(c) else right(c, a) for c, a in zip(completions, answer, strict=True)]


def logging(completions, answer, log_metric, log_extra, trainer_state, **columns):
    log_metric("seen", float(len(completions)))
    log_extra("step", [trainer_state.global_step] * len(completions))
    return clean(completions, answer)
