r"""Lines that are an answer by themselves: a letter alone, a letter with its value, a ticked option."""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled

TICKS = "✓✔✅☑🗸"
TICKED = compiled(
    any_of(
        rf"(?<![\w'])([A-J])(?![\w'])[^\n{TICKS}✗✘❌×]{{0,60}}?(?:[{TICKS}]|\[[xX]\])",
        rf"(?:[{TICKS}]|\[[xX]\])[\s*_(\[|:\-]{{0,6}}(?:[Oo]ption\s*|[Aa]nswer:?\s*)?([A-J])(?![\w'])",
    )
)
CROSSED = compiled(r"[✗✘❌×]|\[ \]")
ALNUM = compiled(r"[^\W_]")

# "So (C).", "The answer is: C", "Option C"
BARE_LINE = compiled(
    r"(?:[^\w\n?!]|_)*+",
    any_of(
        any_phrase(
            "so",
            "thus",
            "hence",
            "therefore",
            "imo",
            r"i\.?e",
            "it is",
            "it's",
            "its",
            "that is",
            "is",
            "ans",
            "option",
            "choice",
            "letter",
            "the",
            "answer",
            "correct",
            "oa",
        )
        + r"\b(?:[^\w\n?]|_)*+"
    ),
    r"{0,5}(?P<letter>[A-J])(?:[^\w\n?]|_)*+",
    ignore_case=True,
)
# "C) 42", "Hence C. 42"
OWN_LINE = compiled(
    r"(?:[^\w\n?$]|_)*+",
    r"(?:(?:so|thus|hence|therefore|option|ans)\b[\s,:]*+)*+",
    r"(?P<letter>[A-J])(?:[^\w\n$\\+.-]|_|[.](?!\d)|(?<=\s)-)++",
    r"(?P<value>[^\n]{1,80})",
    ignore_case=True,
)
LABELLED = compiled(r"(?:[^\w\n]|_){0,12}(?:[Oo]ption\s+)?[A-Ja-j](?:\s?[).:\]]|\s-)")
INLINE_LIST = compiled(r"[\s(][A-J][).:]\s?\S")

# What a line says before a letter that ends it.
CONCLUDING = (
    "gives us",
    "so",
    "So",
    "hence",
    "Hence",
    "HENCE",
    "thus",
    "Thus",
    "therefore",
    "Therefore",
    "imo",
    "IMO",
    "ans",
    "Ans",
    "option",
    "Option",
)
LINE_TAIL = compiled(
    any_of(
        any_of(
            r"\b"
            + any_phrase(
                *CONCLUDING,
                "giving us",
                r"i\.?e",
                "is",
                "choice",
                "then",
                "giving",
                "means",
                "i say",
                "I say",
                "I go for",
            ),
            r"->",
            r"=>",
            r"[→⇒∴>✓]",
            r"(?<=[\w)%°])[.;!]",
            r"(?<=\d)\s{0,2}[,=]",
            r"(?<=[a-z]):",
            r"--+",
            r"…",
            r"\.\.+",
        )
        + r"[\s*_,.:\-(\[]{0,8}",
        r"(?<=[\w)%.])\s{0,3}[(\[{]",
        r"[\s][*_]{1,3}",
    ),
    r"(?P<letter>[A-J])[)\]}*_.!\s]*$",
)
VALUE_THEN_LETTER = compiled(
    r"=\s{0,3}(?P<value>[-+$]?\d[\d.,/]{0,15}%?)\s{1,3}(?P<letter>[A-J])[.)\s]{0,3}$"  # "12 - 5 = 7 C"
)
CONCLUDES = compiled(
    any_of(
        rf"\b{any_phrase(*CONCLUDING)}(?:\s+(?:it|that|this)(?:'s|\s+is))?",
        r"\b(?:match(?:es)?|fits|works|one|choice)\s+is",
        r"=>",
        r"->",
        r"[→⇒∴]",
    ),
    r"[\s*_,.:(\[]{0,6}$",
)
UNDECIDED = compiled(any_of(r"\bnot\b", r"\bor\b", r"n't", r"\band\b"), r"[\s(]{0,3}$")

# A first line that is the answer: "C", "C) 42", "C. Because ...", "C is correct".
FIRST_LINE = compiled(
    r"[\s*_(\[`\"'#>]*+(?P<letter>[A-J])",
    any_of(
        r"[)\]*_`\"'.:]*+[^\S\n]*+(?:\n|$)",
        r"[)\]*_`\"'.,:;]++\s+(?=(?:[Bb]ecause|[Ss]ince|[Aa]s|[Tt]he|[Tt]his|[Ee]xplanation|[Rr]eason|[Bb]y)\b)",
        r"\s+(?=(?:because|since|is the correct|is correct)\b)",
    ),
)
FIRST_OWN = compiled(
    r"[\s*_(\[`\"'#>]*+(?P<letter>[A-J])[)\].:*]++[^\S\n]*+(?P<value>[^\n]{1,60})(?:\n|$)",
)
