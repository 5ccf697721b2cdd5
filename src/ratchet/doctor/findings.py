"""What was found, each with a remedy where something is wrong."""

from dataclasses import dataclass
from typing import Literal

MARKS = {"ok": "ok     ", "note": "note   ", "warning": "warning", "error": "error  "}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    state: Literal["ok", "note", "warning", "error"]
    what: str
    """It, in a word or two."""
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        lines = [f"{MARKS[self.state]} {self.what}: {self.text}"]
        return "\n".join([*lines, f"        -> {self.remedy}"] if self.remedy else lines)
