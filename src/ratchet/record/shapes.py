"""What a run's files must hold to be used: older versions, other programs and torn writes leave other things."""

from typing import Any

_NUMBER, _TEXT = (int, float), (str,)
SHARE = {"accuracy": _NUMBER, "low": _NUMBER, "high": _NUMBER, "n": _NUMBER, "clusters?": (int,)}
_NUMBERS = {"": (int, float, bool)}
_SAMPLE = {
    "completion": _TEXT,
    "gold": _TEXT,
    "correct": (bool,),
    "answer?": _TEXT,
    "span?": [(int,)],
    "components?": _NUMBERS,
}
# What an entry of each file must hold to be used at all: key -> types, or the shape of the elements of a list or a
# mapping (of every element, under ""); a key that ends in "?" may be absent or null.
SHAPES: dict[str, dict[str, Any]] = {
    "log": {},
    "histograms": {"name": _TEXT, "counts": [_NUMBER], "edges": [_NUMBER]},
    "samples": {**_SAMPLE, "reward": _NUMBER, "advantage": _NUMBER, "rewards?": {}},
    "confusion": {"counts": {"": {"": _NUMBER}}},
    "attention": {"layer": (int,), "head": (int,), "tokens": [_TEXT], "weights": [[_NUMBER]]},
    "embeddings": {"vectors": [[_NUMBER]]},
    "evaluations": {
        **{**SHARE, "split": _TEXT, "majority": _NUMBER, "answered": [{**_SAMPLE, "tokens?": _NUMBER}]},
        **{"chance?": _NUMBER, "pass_at_k?": {"": SHARE}, "outcomes?": {"": (bool,)}},
    },
    "alarms": {"text": _TEXT},
    "result.json": {"task": _TEXT, "steps": _NUMBER, "seconds": _NUMBER, "alarms?": {"": _TEXT}},
    "run.json": {
        "versions": {},
        "hardware": {"gpus?": [_TEXT]},
        "data": {"rows": _NUMBER, "notes?": [_TEXT]},
        "model": {"parameters": _NUMBER, "trained": _NUMBER},
        "left_out?": [_TEXT],
        "launcher": _TEXT,
    },
    "audit.json": {
        "mode": _TEXT,
        "policies?": [{"policy": _TEXT, "kind": _TEXT, "reward": _NUMBER, "correct": _NUMBER}],
        "findings?": [{"name": _TEXT, "text": _TEXT, "fails": (bool,)}],
    },
    "diagnostics/loss_slice.json": {"axis": [_NUMBER], "losses": [[_NUMBER]]},
}


def fits(value: Any, shape: Any) -> bool:
    """Whether a value read from a file has the shape that figures and pages rely on.

    >>> fits({"counts": [1, 2.5]}, {"counts": [(int, float)]}), fits({"counts": ["x"]}, {"counts": [(int, float)]})
    (True, False)
    """
    if isinstance(shape, tuple):
        # To Python True is an int, but no figure is drawn from it.
        return isinstance(value, shape) and (bool in shape or not isinstance(value, bool))
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(element, shape[0]) for element in value)
    if not isinstance(value, dict):
        return False
    if "" in shape:
        return all(fits(element, shape[""]) for element in value.values())
    return all(_fits_key(value, key, wanted) for key, wanted in shape.items())


def _fits_key(value: dict[str, Any], key: str, shape: Any) -> bool:
    found = value.get(key.removesuffix("?"))
    return fits(found, shape) or (key.endswith("?") and found is None)
