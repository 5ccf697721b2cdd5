"""What went wrong in a run without ending it: counted, logged, and kept in ``faults/`` of its folder."""

from collections.abc import Mapping
from pathlib import Path

from ratchet.recipe.groups import Faults as Settings

FOLDER = "faults"


class Faults:
    """Counts of one run; the same on all processes.

    Args:
        folder: the run's.
    """

    def __init__(self, settings: Settings, folder: Path):
        self.settings, self.folder = settings, folder / FOLDER
        self.graded = self.skipped = 0
        """Completions that rewards were asked about, and those among them that a reward failed on."""
        self.steps = self.in_a_row = 0
        """Steps that were left out because their loss or gradient was no finite number, and the latest without a good one between."""

    def state_dict(self) -> dict[str, int]:
        """The counts."""
        return {"graded": self.graded, "skipped": self.skipped, "steps": self.steps, "in_a_row": self.in_a_row}

    def load_state_dict(self, found: Mapping[str, int]) -> None:
        """Go on counting from there."""
        for name, value in found.items():
            setattr(self, name, value)
