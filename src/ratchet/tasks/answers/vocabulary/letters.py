r"""A letter that is the name of an option, and what is said right after it: "C or D", "C, not D", "C is wrong".

The patterns are for the text as it is written, where nothing else is said.
"""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled
from ratchet.tasks.answers.vocabulary.bridges import CLOSE, CLOSED, STEP

# Words that a sentence goes on with after a letter that is a name: "C because ...", and not "A train ...".
CONTINUATIONS = (
    "because",
    "since",
    "as(?! long)",
    "is (?:the )?(?:correct|right|answer|best|our|my)",
    "which",
    "with (?:the )?(?:value|answer)",
    r"i\.?e\b",
    "for (?:the|this)",
    "by",
    "from the",
    "that is",
    "namely",
    "after",
    "when we",
    "option",
    "choice",
    "thanks",
    "final",
    "i hope",
    "hope",
    "correct",
    "but",
    r"and (?:it|the|we|that|this|not|i)\b",
    "not",
    "rather than",
    "instead",
    "actually",
    "wait",
    "explanation",
    "reason",
    "solution",
    "hence",
    "therefore",
    "thus",
    "so",
    "where",
    "in the (?:list|options)",
    "of the (?:options|choices)",
    "according",
    "or",
    "and",
    "no",
    "sorry",
    "oops",
    "hmm",
    "answer",
    "with",
    "among",
    "given",
    "matches",
    r"here\b",
    r"then\b",
    "it is",
    "also",
)
# What may stand directly before and after it: not "C.P.", "B's", "A:B", "D/(M-3)", "E = mc2".
NAME_ENDS = any_of(
    r"$",
    r"\n",
    r"[#\\]",
    any_phrase(
        r"the (?:correct|right|best|only|answer)\b",
    ),
    r"[.](?![a-z0-9]|[A-Z](?:[^a-z]|$))",
    r"[,;!。、，；！]",
    r"[)\]}<\"'`]",
    r":(?!\s*[A-Ja-j\d]\b)",
    r"[-–—](?:\s|[^\w\s])",
    r"\((?!\d+\s*[-+*/])",
    r"=",
    r"\?",
    r"[$]?\d",
    r"[→⇒✓✔✅☑|&]",
    r"/\s?[A-J]\b",
    rf"{any_phrase(*CONTINUATIONS)}\b",
    r"[^\x00-\x7f]",
    r"[A-Z][a-z]+\b",
)
LETTER = compiled(
    r"(?P<letter>[A-Ja-j])",
    # no word, product or possessive; the exceptions are bold ("C**"), underlined ("C__") and quoted ("'C'")
    r"(?![\w'’^+/](?!\*|_{1,2}(?:\W|$)|'(?:\W|$)))",
    rf"(?={CLOSE}{{0,12}}+\s{{0,4}}+{NAME_ENDS})",
)
LABEL_THEN_TEXT = compiled(r"(?P<letter>[A-J])\s?[).:\]][*_]{0,2}\s{0,3}(?=\S)(?P<text>[^\n]{1,100})")
OTHER_LETTERS = compiled(r"(?<![A-Za-z0-9_'])([A-J])(?![A-Za-z0-9_'])")
ONLY_LETTERS = compiled(r"(?:[\W_]|\b(?:or|and|option|either|both|[A-J])\b)*+", ignore_case=True)
EQUALS = compiled(CLOSED, r"\s*=\s*(?P<value>[^\n]{1,60})")
NEXT_LABEL = compiled(r"\s?[).:\]\-–][^\n]{0,80}?(?:\n[^\n]{0,3}?|[\s,;(|])\(?(?P<next>[B-J])\s?[).:\]\-–]")

# "C or D", "C / D": two answers.
BETWEEN_TWO = any_of(
    r",\s*(?:or|and|maybe|perhaps|possibly)\b",
    r"[,/|&+;](?!\s*\w\w)",
    r"\b"
    + any_of(
        *("or", "and"),
        *("und", "oder"),  # German
        *("o", "ou", "y", "et", "e"),  # Spanish, Portuguese, French, Italian
        *("или", "и"),  # Russian
    )
    + r"\b",
    r"[、或和와]",  # Chinese, Japanese, Korean
)
HEDGE = compiled(
    CLOSED,
    r"\s?(?:\([^()\n]{1,25}\)|\s[-+$]?[\d.,/%]{1,12})?\s{0,4}+",  # the value of the first
    BETWEEN_TWO,
    any_of(
        r"[\s*_`\"'(\[{$]",
        r"\b(?:either|maybe|possibly|perhaps|also|option|answer|it|is|could|be|might)\b",
    ),
    r"{0,12}+(?P<other>[A-J])(?![\w'’^])",
    r"(?!\s*(?:is|was|are|gives?|would|does|will)\b)",  # "C, and D is too large"
)
# Words in the rest of a line that bring in a second answer.
ALSO = compiled(
    any_of(
        r"\b"
        + any_phrase(
            "[Oo]r",
            "[Aa]lternatively",
            "[Pp]ossibly",
            "[Mm]aybe",
            "[Pp]erhaps",
            "[Oo]therwise",
            "equally",
            "acceptable",
            "also (?:correct|possible|works?|right|valid|acceptable|fine|be)",
            r"with \d+\s?%",
        )
        + r"(?:\b|\s|$)",
        "または",  # Japanese
        "或",  # Chinese
        "또는",  # Korean
        "или",  # Russian
    )
)
NEGATES = compiled(
    any_of(
        r"\b(?:not|wrong|incorrect|rather|than|because|since|neither|nor)\b",
        r"n't",
    )
)
# "not A but C" and "C is wrong" (lowered text).
NOT_BUT = compiled(
    CLOSE,
    r"{0,8}\s?(?:\([^()\n]{1,80}\))?[\s,;.]{0,6}+",
    any_phrase(
        "but",
        "rather",
        "it is",
        "it's",
    ),
    r"\b",
    STEP,
    r"{0,8}+(?P<letter>[a-j])(?![\w'’^])",
)
DENIED_LATER = compiled(
    CLOSED,
    r"\s*(?:\([^()\n]{1,25}\)\s*)?(?:is|was|seems|looks|can)\s*",
    any_of(
        r"not\b",
        "n't",
        "incorrect",
        "wrong",
        "false",
        "ruled",
        "clearly wrong",
        "impossible",
        r"too\b",
        r"out\b",
        "eliminated",
    ),
)

# A value after a label ends here, unless others follow: "42, 43 or 44".
VALUE_STOP = compiled(r"[.,;](?=\s|$)|\s[-–—(]|</|\}")
VALUE_LIST = compiled(r"[,;]\s*(?:(?:or|and|maybe)\s+)?[$]?\d")
