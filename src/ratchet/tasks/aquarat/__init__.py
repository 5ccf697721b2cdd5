"""AQuA-RAT: algebra word problems with five options, the published rows or generated ones."""

from ratchet.tasks.aquarat.task import AquaRat, extract_answer, grade

__all__ = ["AquaRat", "extract_answer", "grade"]
