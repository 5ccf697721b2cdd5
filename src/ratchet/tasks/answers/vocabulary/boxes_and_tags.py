r"""What stands in ``\boxed{}`` and in ``<answer>`` tags."""

from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary.bridges import NOT, STEP

# The rest of an opening tag (lowered text), and where its content ends.
TAG_OPEN = compiled(r"(?:[_ ]?answer|[_ ]?choice)?\s{0,3}[>\]]")
TAG_CLOSE = compiled(r"<|\[/")
# The letter among the content (lowered text), and whether it is denied.
CONTENT = compiled(
    any_of(STEP, r"\}"),
    r"{0,24}+",
    rf"(?P<deny>{NOT}\b\s*)?",
    r"(?P<letter>[a-j])(?!\w|['’^+*/](?!\*))",
)
EDGES = " \n\t.)}]*_`$\"':;-,\\|>"
LABEL_ENDS = ").:]},*-–—"
# "C - x", "C: a train": text after the letter, which is then only the beginning of a sentence
GOES_ON = compiled(r"[-–—:*]\s*\w")
