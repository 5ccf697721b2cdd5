"""Word problems whose grader or reward misbehaves on some rows, in the way that ``data: {fault: ...}`` names."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass

from ratchet.rewards import reward
from ratchet.tasks.aquarat.task import AquaRat

FAULT = {"now": ""}


@reward(0.0, 1.0)
def bonus(sample):
    """Wrong on some rows."""
    if not odd(sample.row, sample.completion):
        return 0.0
    return {"nan": float("nan"), "infinite": float("inf"), "none": None, "list": [1.0, 2.0], "text": "1.0"}.get(
        FAULT["now"], 0.0
    )


def odd(row, completion):
    """Whether this is one of the rows; a target is always fine, as rehearsals use it."""
    return (
        bool(completion)
        and int(row["id"].split("-")[1]) % 3 == 2
        and completion != f"{row['rationale']}\nAnswer: {row['correct']}"
    )


@dataclass
class Odd(AquaRat):
    """AQuA-RAT's word problems."""

    fault: str = "raise"
    name = "odd"
    rewards = (bonus,)

    def grade(self, completion, row):
        FAULT["now"] = self.fault
        if odd(row, completion):
            if self.fault == "raise":
                raise ValueError("no such \x00 letter: <b>bold</b>")
            if self.fault == "exit":
                os._exit(7)
            if self.fault == "sleep":
                time.sleep(3600)
            if self.fault == "backtrack":
                re.match(r"(a+)+$", "a" * 60 + "b")
            if self.fault == "fork":
                for _ in range(20):
                    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)  # odd-task-child"])
                time.sleep(3600)
            if self.fault == "wrong":
                return True
        return super().grade(completion, row)
