r"""How a sentence says that a letter is the answer: labels, words that lead to it, verdicts after it.

The patterns are for lowered text, and are searched in the part of one sentence before a letter (``...\Z``) or matched
in the part after it, each cut to a bounded length.
"""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled

# What an answer is called where it is announced.
NOUNS = (
    *("answer", "ans", "choice", "option", "solution", "result", "response", "conclusion", "verdict", "selection"),
    *("letter", "alternative", "final", "tl;dr", "tldr", "imo", "pick", "guess", "vote", "bet", "statement", "one"),
    *("correct", "right", "best", "column", "correction", "edit", "update", "decision", "key", "typo"),
)
# What may stand right before a letter as its name: "option C".
NAMES = any_of(
    *("option", "choice", "letter", "alternative", "answer", "statement", "number", "box", "column", "category")
)
LINK = any_of(
    r"\s*(?:[:：=]|[-=]?->|[-=]>|→|⇒|➡|—|–)",
    r"\s{2,}",  # cells of a table
    r"(?:\s+(?!not\b)[a-z']{1,14}){0,7}?\s+(?:is|was|be|as|remains|goes to|says|reads)\b",
    "'s",
)
FILLERS = (
    *(
        "the",
        "my",
        "our",
        "a",
        "an",
        "clearly",
        "definitely",
        "therefore",
        "thus",
        "hence",
        "then",
        "indeed",
        "simply",
    ),
    *("obviously", "probably", "likely", "most likely", "perhaps", "still", "now", "just", "only", "in fact", "again"),
    *("of course", "surely", "certainly", "really", "actually", "number", "first", "second", "third", "fourth"),
    *(
        "fifth",
        "either",
        "both",
        "none other than",
        "to be",
        "final",
        "correct",
        "right",
        "best",
        "given by",
        "as follows",
        "same",
    ),
    "under",
)
TO_LETTER = (
    rf"(?:[\s,:]*{any_of(*FILLERS)}(?![a-z])){{0,4}}[\s,:]*"
    rf"(?:{NAMES}s?(?![a-z])[\s:,]*)?[\s(\[{{\"'<]*\Z"
)
# "the correct answer is therefore option (", before a letter
LABELLED = compiled(r"(?<![a-z])", any_of(*NOUNS), r"s?(?![a-z])", LINK, TO_LETTER)
# "Final answer: ", where a line or a sentence begins with it: the form that prompts ask for
FORM = compiled(
    r"(?:\A|\n|[.;!?]\s)[\s>~-]{0,12}",
    r"(?:(?:so|thus|hence|therefore|the|my|our|your|final|correct|best|right|ok|and)[\s,]{1,3}){0,4}",
    r"(?:answer|ans)(?:\s+(?:letter|choice|option))?\s*(?:\.?\s*(?:[:：=]|->|→|is\s*:)|(?<=ans)\.)\s*",
    rf"(?:(?:the\s+)?{NAMES}\s*:?\s*|x\s*=\s*)?[\s(\[{{]*\Z",
)
# "correct answer C", with nothing between and nothing after
BARE_LABEL = compiled(r"\b(?:answer|ans)\.?\s*\(?\Z")
LINE_ENDS = compiled(r"\s*\)?\s*\.?\s*(?:\Z|\n)")

CHOOSING = (
    *(r"cho(?:o)?s(?:e|ing)", r"pick(?:ed|ing)?", r"select(?:ed|ing)?", "circle", "tick", "mark", "check", "take"),
    *(r"g(?:o|oing) (?:with|for)", r"opt(?:ing)? for", r"vot(?:e|ing) for", r"(?:goes|going) to", "settle on"),
    *("stick with", "sticking with", "stay with", "back to", "say(?:ing)?", "guess", "prefer", "reckon", "trust"),
    *("believe", "think", "conclude", "suspect", r"(?:i|i'd|i'll|would|will) answer", "meant", "mean", "make that"),
)
CONCLUDING = (
    *("so", "hence", "thus", "therefore", "ergo", "consequently", "accordingly", "overall", "all in all"),
    *(
        "everything considered",
        "on balance",
        "by elimination",
        "in short",
        "in conclusion",
        "finally",
        "yes",
        "namely",
    ),
    *("i.e.", "imo", "ans", r"leav(?:es?|ing)(?: us)?(?: (?:just|only))?(?: with)?", "left with", "left is"),
    r"remain(?:s|ing)?(?: is)?",
)
LINKING = (
    r"it(?:'s| is| was| must be| has to be| should be| would be| can only be| comes to)",
    r"that(?:'s| is| makes| leaves| gives)",
    r"which (?:is|makes|leaves|gives|matches|corresponds to)",
    r"(?:must|has to|should|can only|would|appears? to|seems? to|will) be",
    r"(?:chang|switch|correct|revis|updat|mov)\w* (?:it |this |that |my answer |from \(?[a-j]\)? ){0,2}to",
    r"(?:comfortable|happy|confident|satisfied) (?:with|in|about)",
    *("this is", r"makes (?:it|that|this)", "making", r"correspond(?:s|ing)? to", r"match(?:es)?", "points to"),
    *(
        "listed as",
        "marked",
        r"should (?:read|say|have been)",
        "equal to",
        r"gives?(?: us)?",
        r"gets?",
        "is",
        "are",
        "equals",
    ),
    r"not\b[^.,\n]{0,30}\bbut",
)
CORRECTING = any_phrase(
    *(
        "scratch that",
        "on second thoughts?",
        "wait",
        "no",
        "sorry",
        "actually",
        "oops",
        "correction",
        "edit",
        "rather",
    ),
    *("instead", "kidding", "hold on", "pardon", "i mean", "right", "yes", "yeah", "yep", "okay"),
)
# Words and signs that lead to a letter which closes its clause: "so", "I'd go with", "=>".
LEADS = compiled(
    any_of(
        rf"(?<![a-z]){any_phrase(*CONCLUDING, *CHOOSING, *LINKING)}(?![a-z])",
        *("=>", "->", "→", "⇒", "∴", "➡", "⟹"),
        *(r"[:：—]\s", r"\s[–-]\s"),
        rf"\b{CORRECTING}\s*[,:;—–-]",
    ),
    TO_LETTER,
)
CHANGED_TO = compiled(
    r"\b(?:chang|switch|correct|revis|updat)\w* (?:it |this |that |my answer |from \(?[a-j]\)? ){0,2}to\s*\Z"
)
CLOSING = (
    *(
        "because",
        "since",
        "as",
        "for",
        "here",
        "by",
        "on",
        "with",
        "which",
        "and (?:that|this|it)",
        "then",
        "at",
        "in",
    ),
    *("after", "over", "unless", "although", "though", "is", "it", "rather", "not", "again", "from", "instead", "too"),
)
# What follows a letter that closes its clause.
CLOSES = compiled(r"[\s)\]}>]*", any_of(r"\Z", r"[.,!;—–\n]", r"\s-\s", r"\(", rf"{any_of(*CLOSING)}\b"))
# "the answer is D: B's share is 60"
EXPLAINED = compiled(r"\s?:\s(?!\(?[a-j]\b(?!'))")
# "..., option" before a letter that ends its sentence
NAMED = compiled(
    any_of(r"\A", r"[,.(:;—–]\s*", r"\b(?:is|to|or|and|so|i\.e\.,?|say)\s+"),
    r"\s*(?:i\.e\.,?\s*)?(?:the\s+)?(?:option|choice|letter|answer|alternative|box)\s*[\s(\[]*\Z",
)
ENDS = compiled(r"[\s)\]]*(?:[.!]|\Z|,\s)")

# What stands between a letter and its verdict: its bracket, further subjects ("A, B and C are"), its value.
SUBJECT = (
    r"[\s)\].:\"']{0,4}"
    r"(?:(?:\s*(?:,|and|or|&|,\s*and|,\s*or)\s*\(?[a-j]\b\)?){1,9})?"
    r"\s*(?:\([^()\n]{0,40}\)\s*)?"
)
BE = any_of(
    *("is", "'s", "are", "was", "were", "be", "must be", "has to be", "should be", r"seems?(?: to be)?"),
    *(r"appears?(?: to be)?", r"looks?", "will be", r"remains?"),
)
_ADVERBS = any_of(
    *("clearly", "definitely", "indeed", "thus", "therefore", "obviously", "my", "the", "our", "a", "an", "also"),
    *("still", "final", "single", "only", "so", "in", "fact", "probably", "most", "just", "likely"),
)
_PRAISE = any_of(
    *("correct", "right", "true", "answer", "best", "one", "winner", "choice", "option", "solution", "most", "match"),
    *(
        "fit",
        "it",
        "what",
        "where",
        "school",
        "letter",
        "only",
        "closest",
        "way",
        "longer",
        "better",
        "pick",
        "guess",
        "vote",
        "bet",
    ),
)
_FITTING = any_of(
    *(r"fits?", r"works?", r"match(?:es)?", "wins", "holds", "stands", "satisfies", "captures", "meets", "checks out"),
    *("stays", "follows", "describes", "it is", "is left", r"it\s+must\s+be", r"was\s+it"),
)
RIGHT = compiled(
    SUBJECT,
    any_of(
        rf"{BE}\s+(?:{_ADVERBS}\s+){{0,5}}{_PRAISE}\b"
        r"(?!\s+(?:weight|value|cost|price|definition|size|length|angle|side|total|number|you|one|we|they|people))",
        rf"(?:,\s*)?(?:best\s+|alone\s+|clearly\s+)?{_FITTING}\b",
        r",?\s*of course\b",
        r"\s*[:=,—–-]?\s*(?:correct|right|true|yes)\b",
        r"[^.!?\n]{1,40}\s[—–-]\s(?:correct|right)\b(?=\s*[!.(:\n])",
        r"[^.!?\n✗✘❌✖☒]{0,60}[✓✔✅☑]",
        r"(?:as\s+)?the\s+(?:right|correct|best|only)\b",
    ),
)
PLAINLY_RIGHT = compiled(r"[✓✔✅☑]|\b(?:correct|right)\b")
# What may stand right before a letter that is judged: no noun, which would make a group of "group B".
_CONJUNCTIONS = (
    *(
        "so",
        "hence",
        "thus",
        "therefore",
        "both",
        "that",
        "and",
        "but",
        "only",
        "then",
        "why",
        "because",
        "since",
        "believe",
    ),
    *("think", "say", "now", "while", "as", "or", "means", "making", "makes", "sure", "yes", "of course", "clearly"),
    *("although", "though", "guess", "conclude", "overall", "here", "where", "whereas", "is"),
)
PLAIN_BEFORE = compiled(
    any_of(r"\A\s*", r"[^a-z\s]\s*", rf"(?:\A|(?<![a-z])){any_of(*_CONJUNCTIONS, f'{NAMES}s?')}[\s(\[]*"), r"\Z"
)
# A sentence that judges the option which the sentence before it spoke of.
POINTS_BACK = compiled(
    r"\b(?:this|that|it|which)(?: one)? (?:is|must be|has to be) ",
    r"(?:clearly |indeed |therefore |thus |exactly )?(?:the |our |my )?(?:final )?",
    r"(?:correct|right|one|answer|best)\b(?! (?:for|if|to))",
    r"|(?<=[.:—–-] )(?:correct|true|this works)\b(?=\s*[.!])",
)
THAT_IS_IT = compiled(r"[.\n]\s*(?:so )?(?:this|that|which) is (?:my|the|our) (?:final |correct )?answer\s*\.?\s*\Z")
AGREED = compiled(r"\s*(?:yes|correct|right|exactly|indeed)\b")
# What follows an "A" that is a letter and no article.
LETTER_A = compiled(
    r"\s+",
    any_of(
        r"[a-z]+[^su\W]s",  # no article stands before a verb: "A fits"
        *("best", "also", "is", "was", "are", "and", "or", "would", "must", "can", "cannot", "could", "has", "will"),
        *(
            "it",
            "because",
            "since",
            "as",
            "for",
            "by",
            "here",
            "with",
            "which",
            "on",
            "not",
            "does",
            "doesn't",
            "isn't",
        ),
        *("alone", "rather", "instead", "then", "too", "at", "in", "after", "if", "from", "of course", "goes", "but"),
        *("though", "although", "unless"),
    ),
    r"\b",
)
# "The answer is", before a value.
LABEL_VALUE = compiled(
    r"(?<![a-z])(?:answer|ans\.?|results?|solutions?|choice|option|conclusion)(?:\s+(?:choice|option|letter))?",
    r"(?:\s+(?:to|of|here)\b[^.:\n]{0,30}?)?\s*",
    r"(?:(?:is|was|=|:|：|would be|must be|comes to|should be|will be|equals|->|→)\s*){1,3}",
    r"(?:(?:therefore|thus|indeed|simply|exactly|just|about|approximately|option|the option)\s+)?",
)
# A lower-case letter counts after a label, or alone on a line.
LOWER_LETTER = compiled(
    any_of(
        r"(?:\A|(?<![a-z]))(?:answer|ans|option|choice|letter)s?\b[\s.:=(*]{0,4}(?:is[\s:(]{1,3})?"
        r"(?P<letter>[a-j])(?=\s*(?:[).,;!]|\Z|\n))",
        r"(?:\A|\n)\s*\(?(?P<alone>[a-j])\s*[).]?\s*(?:\Z|\n)",
    )
)
# A ticked line: "[x] C", "✅ C", "C) 42 ✓".
TICKED = compiled(
    r"(?:\A|\n)[\s\-*+>|]*",
    any_of(
        r"(?:\[x\]|[✓✔✅☑]\ufe0f?)\s*(?:option\s*)?\(?(?P<letter>[a-j])(?!\w)",
        r"(?:option\s*)?\(?(?P<late>[a-j])(?!\w)[^\n]{0,200}?[✓✔✅☑]\ufe0f?\s*(?=\n|\Z)",
    ),
)
# "The term is appeasement (": the option whose text stands before it
IN_BRACKETS = compiled(r"\b(?:is|was|are|be|this|that|it's|called|of)\b[^.!?\n]{1,60}\(\Z")
BRACKET_ENDS = compiled(r"\)\s*(?:[.!]|\Z|\n)")
# "C, I believe"
AFTERTHOUGHT = compiled(
    r"\)?,\s+(?:because|since|as|i (?:think|believe|guess|suppose|would say|am|reckon)|i'd|i'm|",
    r"probably|most likely|presumably)\b",
)
