r"""The words with which an answer is stated around its letter: "C is the correct one", "so option C", "C wins"."""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled
from ratchet.tasks.answers.vocabulary.bridges import CLOSE

# A letter before its label: "C is the correct ...". The endings say cheaply where that is worth trying.
WORDS_BEFORE_A_LABEL = (
    *("the", "our", "my", "your", "a", "an"),
    *("only", "right", "best", "final", "correct", "most", "appropriate", "required", "one"),
    *("is", "be", "being", "was", "as"),
    *("therefore", "thus", "hence", "clearly", "indeed", "obviously", "definitely", "certainly"),
    *("not", "to"),
)
BEFORE_ENDS = tuple(f"{word} " for word in WORDS_BEFORE_A_LABEL)
BEFORE = compiled(
    # where a statement begins
    any_of(
        r"^",
        r"[\n.!?;:,(>|]\s*",
        r"[→⇒∴]\s*",
        r"\b"
        + any_of(
            "so",
            "So",
            "hence",
            "Hence",
            "thus",
            "Thus",
            "therefore",
            "Therefore",
            "then",
            "[Oo]ption",
            "[Cc]hoice",
            "letter",
            "that",
            "think",
            "believe",
            "say",
            "means",
            "[Aa]nswer",
            "IMO",
            "and",
            "but",
            "no",
            "[Aa]ctually",
            "Yes",
        )
        + r"\s+",
    ),
    rf"[*_`\"'(\[{{$]{{0,6}}(?P<letter>[A-J]){CLOSE}{{0,6}}[.:]?\s{{0,3}}",
    r"(?:\([^()\n]{1,25}\)\s*|[-+$]?[\d.,/%]{1,12}\s*\w{0,10}\s+)?",  # its value
    any_phrase(
        "is",
        "was",
        "must be",
        "would be",
        "will be",
        "has to be",
        "should be",
        "being",
        "→",
        "as",
        "to be",
        "appears to be",
    ),
    r"\s*(?P<deny>not\s+|n't\s+)?",
    r"(?:(?:therefore|thus|hence|clearly|then|indeed|obviously|definitely|certainly)\s+)?",
    r"(?:(?:the|our|my|your|an?)\s+)?",
    r"(?:(?:only|right|best|final|correct|most|appropriate|required|one|that)\s+){0,3}$",
)
LISTED_BEFORE = compiled(r"(?P<other>[A-J])\)?\s*(?:,|\bor\b|\band\b|/|&)\s*(?:or\b|and\b)?\s*[(*]*$")
WINS = compiled(
    any_of(
        r"^",
        r"[\n.!?;:,]\s*",
        r"\b(?:[Ss]o|[Tt]hus|[Tt]hen|[Hh]ence|[Tt]herefore|option|Option|[Oo]nly)\s+",
    ),
    r"[(*]{0,3}(?P<letter>[A-J])[)*]{0,3}\s+$",
)

# After "option C" (lowered text): that it is the right one.
LOOKS_RIGHT = compiled(
    rf"{CLOSE}{{0,8}}\s*",
    r"(?:[:\-–—]?\s*(?:\([^()\n]{1,25}\)|[-+$]?[\d.,/%]{1,12}(?:\s\w{1,10})?)\s*)?[,:]?\s*(?:which\s+)?",
    any_of(
        r"is\s+(?:the\s+|our\s+|my\s+|therefore\s+|thus\s+){0,3}(?:correct|right|answer|best|true|one|solution)",
        r"matches",
        r"fits",
        r"works",
        r"satisfies",
        r"it\s+is\b",
    ),
)
# Before "option C" (lowered text): that the text concludes, or that it only looks at the option.
CONCLUSIONS = (
    "correct",
    "choos(?:e|ing)",
    "chose",
    "pick(?:ing)?",
    "select(?:ing|ed)?",
    "answer",
    "ans",
    "hence",
    "so",
    "therefore",
    "thus",
    "match(?:es|ing)?",
    "match(?:es)? with",
    "corresponds? to",
    "corresponding to",
    "equal(?:s)? to",
    "same as",
    "go(?:ing)? with",
    "opt for",
    r"i\.?e\.?",
    "imo",
    "mark",
    "is",
    "gives",
    "say",
    "vote for",
    "favou?rs?",
    "agrees with",
    "means",
    "conclude",
    "stick with",
    "settle on",
    "submit",
)
LEADS_TO = compiled(
    any_of(rf"\b{any_phrase(*CONCLUSIONS)}", r"[=:>→⇒∴✓✔✅☑]"),
    r"[\s*_.,:`\"'(]{0,6}(?:the\s+)?(?:correct\s+|right\s+|answer\s+|final\s+){0,2}$",
)
EXPLORATIONS = (
    r"check\w*",
    r"try\w*",
    r"consider\w*",
    r"test\w*",
    "for",
    r"look\w*",
    "at",
    r"eliminat\w*",
    r"exclud\w*",
    "not",
    "unlike",
    "than",
    r"compar\w*",
    r"rul\w*",
    r"discard\w*",
    r"reject\w*",
    "between",
    "in",
    "under",
    "with",
    "and",
    "or",
    r"plug\w*",
    "about",
    "of",
    "on",
    "from",
    "if",
    "does",
    "is",
    "was",
    "either",
    "take",
    "case",
    "see",
)
EXPLORES = compiled(r"\b", any_of(*EXPLORATIONS), r"\s*$")
LINE_END = compiled(rf"{CLOSE}{{0,8}}[\s.!]{{0,8}}(?:$|\n)")
VERB_ENDING = compiled(r"(?:ing|ed|es|e|s)?")
