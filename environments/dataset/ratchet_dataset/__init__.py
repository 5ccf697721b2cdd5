"""Rows of one's own as a verifiers taskset, with Ratchet's graders."""

import sys
from importlib.util import find_spec
from pathlib import Path

if (
    find_spec("ratchet") is None
):  # an installed Ratchet wins; else the copy in the wheel, or the checkout of pip install -e
    _places = (Path(__file__).parent / "vendored", Path(__file__).resolve().parents[3] / "src")
    sys.path += [str(place) for place in _places if (place / "ratchet").is_dir()][:1]

from ratchet.integrations.verifiers import OneTurn, OneTurnEnv  # noqa: E402
from ratchet_dataset.taskset import DatasetTaskset  # noqa: E402

__all__ = ["DatasetTaskset", "OneTurn", "OneTurnEnv"]
