r"""How an answer in words is denied, hedged, replaced and taken back.

Patterns repeat within bounds, or over what cannot be matched in two ways, so that they cost a constant per character.
"""

from ratchet.tasks.answers.phrases import ON_A_LINE, any_of, any_phrase, compiled

# Before an answer, in its sentence.
DENIALS = (
    "not",
    "never",
    "cannot",
    "doubt",
    "wrong",
    "incorrect",
    "false",
    "instead of",
    "rather than",
    "no",
    "neither",
    "nor",
    "than",
)
DENIED = compiled(
    any_of(rf"\b{any_phrase(*DENIALS, blank=ON_A_LINE)}", r"n['’]t"),
    r"\b[^.!?\n]{0,30}\Z",
    ignore_case=True,
)
IMAGINED = compiled(r"\b(?:if|were|had)\b[^.!?\n]*\Z", ignore_case=True)

# Between two answers: the second replaces the first.
REPLACING = (
    "wait",
    "hold on",
    "take (?:it|that|this)(?: answer)? back",
    "actually",
    "correction",
    "oops",
    "sorry",
    "scratch that",
    "on second thought",
    "i was wrong",
    "my mistake",
    "let me (?:correct|fix|redo|re-?check|reconsider|try again)",
    "i mean",
    "(?:that|this|it)(?:['’]s| is| was) (?:wrong|incorrect|not right|not correct|a mistake)",
)
REPLACES = compiled(
    any_of(
        rf"\b{any_phrase(*REPLACING, blank=ON_A_LINE)}\b",
        r"(?:^|[.!\n])[ \t]*no[,.—–]",
    ),
    ignore_case=True,
)
# "if ...", "alternatively": the second answer stands beside the first
STANDS_BESIDE = compiled(r"\b(?:if|should|or|alternatively|otherwise)\b", ignore_case=True)

# After the last answer: it no longer counts.
WITHDRAWING = (
    "(?:that|this|it|which|(?:my|the|this|that) answer)(?:['’]s| is| was) "
    "(?:wrong|incorrect|not right|not correct|false|a mistake|mistaken)",
    "scratch that",
    r"(?:ignore|disregard) (?:that|this|my|the)\b",
    "withdraw(?:ing|n)?",
    "retract(?:ing|ed)?",
    r"correction[ \t]*:",
    "no,? wait",
    "wait,? no",
    "can(?:['’]t|not) (?:tell|say) (?:which|whether|if)",
    "(?:might|may|could) (?:equally|just as well|just as|also) (?:be|say|read) "
    r"[\"'“‘*]?[^\s.!?]{1,30}[ \t]*(?:[.!,\n]|\Z)",
    r"(?:other|second|alternative|another|backup|next) (?:possible )?answers?[ \t]*:",
    r"also (?:accept(?:able|ed)?|correct|possible)[ \t]*:?[ \t]",
    "i (?:take (?:it|that|this) back|was wrong|made a mistake|do not know|don['’]t know)",
    "on (?:second thoughts?|reflection)",
    "can(?:not|['’]t) (?:hold|be(?:[ \t]+(?:right|true|it)\b|[ \t]*[,.]))",
    r"actually[, \t]+(?:it|that|this|the|no)\b",
    r"i(?:['’]m| am) not sure[ \t]*(?:[.!\n]|\Z|(?:about|of) (?:it|this|that|my))",
    "i will not commit",
    r"never[ \t]?mind[ \t]*(?:[.!\n]|\Z)",
    "could be wrong",
)
WITHDRAWS = compiled(
    any_of(
        rf"\b{any_phrase(*WITHDRAWING, blank=ON_A_LINE)}",
        r"^[ \t]*no[,.!—–]",
    ),
    ignore_case=True,
    by_line=True,
)
HEDGES = compiled(
    r"[\s*_`\"'”»).,;:]{0,6}(?:[(]\s*)?",
    r"(?:or|alternatively|or maybe|possibly|perhaps|maybe|otherwise)\b",
    ignore_case=True,
)

# Lists of candidates: nothing is chosen.
CANDIDATES = compiled(
    r"\b(?:two|three|both|either|several|candidates|options|possibilities|equally)\b[^:]*:\Z",
    ignore_case=True,
)
ALTERNATIVES = compiled(
    any_of(
        r"\s/\s",
        r"\bor\b",
        r"^(?:[^,\s]+(?: [^,\s]+){0,2},\s*){2}",
    ),
    ignore_case=True,
)
ASKS_WHICH = compiled(r"\b(?:or|either)\b\W*\Z", ignore_case=True)
