r"""Claims that are none: what is supposed, quoted, said by somebody else, asked, or an example of the form.

The patterns are for lowered text.
"""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled
from ratchet.tasks.answers.vocabulary.bridges import CLOSED

# "if the answer is C", "I do not think C", "it is wrong that C"
SUPPOSITIONS = (
    "if",
    "suppose",
    "supposing",
    "assume",
    "assuming",
    "whether",
    "unless",
    "imagine",
    "were",
    "pretend",
    "thought",
    "thinks",
    "guessed",
    "had",
    "wrong",
    "incorrect",
    "false",
    "tempting",
    "not",
    "doubts?",
    "deny",
)
NOT_MEANT = any_of(
    r"do\s?n['o]t",
    r"does\s?n['o]t",
    r"did\s?n['o]t",
    r"ca\s?n['o]t",
    r"cannot",
    r"would\s?n['o]t",
    r"wo\s?n't",
    r"do\s+not",
)
MEANING = any_of("think", "believe", "say", "see", "agree", "know", "accept")
SUPPOSED = (
    r"\b"
    + any_phrase(*SUPPOSITIONS, f"{NOT_MEANT} {MEANING}")
    + r"\b"
    + r"(?:\s+(?:that|how|why|to\s+(?:say|assume|conclude|think)(?:\s+that)?))?(?:\s+(?:say|put|choose|pick))?\s+"
)
# "some students choose C", "it is easy to say C", "a possible answer is C"
OTHERS = (
    "students?",
    "people",
    "others?",
    "everyone",
    "someone",
    "somebody",
    "friends?",
    "teachers?",
    "solvers?",
    "he",
    "she",
    "they",
    "you",
)
LURES = (
    "mistake",
    "error",
    r"tempt\w+",
    "easy",
    "wrong",
    "trap",
)
TENTATIVE = (
    "possible",
    "potential",
    "another",
    "initial",
    "tentative",
    "candidate",
    "first",
    "incorrect",
    "wrong",
    "expected",
    "previous",
    "old",
    "sample",
    "second",
)
# 'for example "C"', 'write "C"': the form, in quotes
QUOTING = (
    r"e\.g\.?",
    "for example",
    "for instance",
    "example",
    "such as",
    "as in",
    "like",
    "form",
    "format",
    "say",
    "write",
    "print",
    "output",
    "type",
    "respond with",
    "reply with",
    "ending with",
    "end with",
    "exactly",
    "saying",
    "says",
    "said",
    "claims?",
    "claimed",
    "one of",
)

UNREAL = compiled(
    any_of(
        SUPPOSED,
        rf"\b{any_of(*OTHERS)}\s+(?:\w+\s+)?",
        rf"\b{any_of(*LURES)}\s+(?:\w+\s+)?to\s+(?:(?:say|put|choose|pick|select|mark|go\s+with)\s+)?",
        rf"\b{any_of(*TENTATIVE)}\s+",
        any_of(rf"\b{any_of(*QUOTING)}", r"\(") + r"[\s:,]*[\"'`]\s*",
        r"\b(?:none|nothing|hardly|nobody|nor)\b[^.\n]{0,45}\bthat\s+",
        r"\b(?:e\.g\.?|for example|for instance|such as|as in)[\s:,]+",
        r"\b(?:is|was|could|can|are|might|may)\s+",
    ),
    r"(?:(?:the|my|your|our|his|her|their|a|an)\s+)?",
    r"(?:(?:correct|final|right|true|best|only)\s+)*",
    r"(?:(?:option|choice|letter|answer)\s+(?:is\s+)?)?$",
)
ASKED = compiled(CLOSED, r"[^.!\n]{0,50}?\?")
# "if 7 were added, the answer would be C", "one who forgets the sign would answer C"
IMAGINED = compiled(r"\b(?:if|were|had|someone|somebody|anyone|who|forg[eo]t\w*|without|otherwise|one)\b")
