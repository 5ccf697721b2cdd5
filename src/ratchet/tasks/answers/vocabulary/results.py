r"""How a text states its result, names other things beside it, or asks: "... = 42", "A = 42", "what is 6 * 7"."""

from ratchet.tasks.answers.phrases import any_of, compiled

# The words and signs after which a sentence gives its result.
RESULT = any_of(
    "=",
    "≈",
    "≅",
    "→",
    "⇒",
    "=>",
    ":",
    r"\bis\b",
    r"\bare\b",
    r"\bequals?\b",
    r"\bget\b",
    r"\bgives?\b",
    r"\bwas\b",
    r"\bbe\b",
    r"\bof\b",
    r"\bin\b",
    r"\bhas\b",
    r"\bhave\b",
    r"\bcosts?\b",
    r"\bthus\b",
    r"\bso\b",
    r"\bhence\b",
    r"\btherefore\b",
    "∴",
    r"\bto\b",
    r"\bby\b",
    r"\btakes?\b",
    r"\bpays?\b",
    r"\bpaid\b",
    r"\bspends?\b",
    r"\bneeds?\b",
    r"\bmakes?\b",
    r"\bearns?\b",
    r"\bcomes\s+to\b",
    r"\bleaves?\b",
    r"\bremains?\b",
    "^",
)
ENDING = compiled(
    RESULT,
    r"[\s$(*~]*(?P<value>",
    r"(?:rs\.?|re\.?|\$|£|€|₹|about|approx\.?|approximately|a total of)?\s*",
    r"[-+]?[\d(][^=≈→⇒:?\n]{0,40}",
    r")[\s.!)*$]*$",
    ignore_case=True,
)
UNSURE = compiled(
    any_of(
        r"\b"
        + any_of(
            "if",
            "suppose",
            r"assum\w+",
            "let us try",
            "let's try",
            "try",
            "trying",
            "were",
            "unless",
            "when",
            "would",
            "could",
            "might",
            "maybe",
            "perhaps",
            "not",
            "n't",
            "or",
            "option",
            "choice",
            "answer",
            r"[A-E]\s*=",
        )
        + r"\b",
        r"\b[A-E]\s*=",
    ),
    ignore_case=True,
)
NAMED = compiled(r"\b[A-E]\s*=")  # a quantity with the name of an option
LABELS = compiled(r"(?<![\w'])[\"'(]?[A-J][\"']?\s?[).:]\s?\S")
LISTED = compiled(r"\W*(?:option\s+)?[A-Ja-j]\s?[).:\]]\s*\S")
ASKS = compiled(
    r"\b",
    any_of(
        "what",
        "how",
        "which",
        "find",
        "calculate",
        "determine",
        "when",
        "where",
        "who",
        "whose",
        "compute",
        "value of",
        "approximate",
        "nearest",
        "rounded",
        "is it",
    ),
    r"\b[^.]*$",
    ignore_case=True,
)
SENTENCE_END = compiled(r"(?<=[a-z)\d])[.;]\s+(?=\S)")
