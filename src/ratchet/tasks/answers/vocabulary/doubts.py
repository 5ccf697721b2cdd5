r"""How a sentence denies a letter, supposes it, reports it, or sets a second one beside it; for lowered text."""

from ratchet.tasks.answers.phrases import any_of, compiled
from ratchet.tasks.answers.vocabulary.assertions import BE, SUBJECT

_FAULTS = (
    *("wrong", "incorrect", "false", "too", "out", "invalid", "impossible", "eliminated", "excluded", "gone"),
    *(r"distractors?", "trap", "tempting", "ruled", "irrelevant", r"fails?", "unlikely", "rejected", "negative"),
    *("smaller", "larger", "nonsense", "absurd", "insufficient", "common mistake", "mistaken", "attractive", "ok"),
    *("fine", "possible", "close", "incomplete", "off"),
)
_ADVERBS = r"(?:therefore|clearly|obviously|simply|just|also|both|all|thus|then|a|an|the)\s+"
# A verdict after a letter.
WRONG = compiled(
    SUBJECT,
    any_of(
        rf"(?:{BE}|can|could|may|might|do|does|did|would|will|has|have|had)\s*(?:n't|not|never|no\b|hardly)",
        *(r"cannot\b", r"[a-z]{2,6}n't\b"),
        rf"(?:{BE}\s+)?(?:{_ADVERBS})?{any_of(*_FAULTS)}\b",
        r"\s*(?:goes?|drops?|falls?)\s*(?:out|away|too|\Z|[).,])",
        r"[^.!?\n✓✔✅]{0,60}[✗✘❌✖☒]",
        r"[^.!?\n]{0,80}[,;—–-]\s*(?:so |but |which is |hence )?(?:no|not this one|nope|not it)\s*[.!]?\s*\Z",
    ),
)
NEGATED = compiled(r"n't|\bnot\b|never|cannot|incorrect")
PLAINLY_WRONG = compiled(r"[\s)\].]*(?:is|was|'s|are)?\s*(?:wrong|incorrect|not|false|n't)")
_DENYING = (
    *("not", "never", "neither", "nor", "cannot", "rules? out", "ruled out", "ruling out", "eliminates?"),
    *("eliminated", "excludes?", "excluded", r"discard(?:ed|s)?", r"reject(?:ed|s)?", "strike(?: out)?", "except"),
    *("excluding", "than", "unlike", "without", "against", "instead of", "rather than", "isn't", "wasn't", "aren't"),
    *("doesn't", "can't", "couldn't", "wouldn't", "don't", "dismiss", "avoid", "drop", "cross out", "wrong"),
    *("incorrect", "false", "doubt", "hardly", "nothing", "no"),
)
# Before a letter, in its clause.
DENIED = compiled(
    rf"\b{any_of(*_DENYING)}\b",
    r"(?! (?:only|sure|certain|doubt|longer|need|no|possible answer|100)|\s*[.,:;]|\s+other than)[^.!?\n:;]{0,28}\Z",
)
ANY_OF = compiled(
    r"\b(?:n't [a-z]+ any|none|neither|not any) of\b(?!\s*(?:these|those|the above)\s*\()",
    r"(?:[^.!?\n,]|,(?=\s?[a-j]\b)){0,40}\Z",
)
NOT_BUT = compiled(r"\bnot\b[^.]{0,30}\bbut\b[^.,]{0,12}\Z|other than[^.]{0,20}\Z")
CLAUSE = compiled(r"[,;:]\s|\b(?:but|so|hence|thus|therefore|sondern)\b|=>|→")
# The clause supposes, reports what others say, or speaks of another question.
_SUPPOSING = (
    *("if", "suppose", "supposing", "assume", "assuming", "whether", "unless", "imagine", "pretend", "were", "had"),
    *(
        "would have",
        r"(?<!\bi )would say",
        "might",
        "could",
        "otherwise",
        "perhaps",
        "maybe",
        "possible",
        "potential",
        "another",
    ),
)
_OTHERS = (
    *("students?", "people", "others", "everyone", "someone", "somebody", "anyone", "who", "friends?", "teachers?"),
    *("solvers?", "he", "she", "they", "you", "your", "answer key", "book", "textbooks?", "many", "model"),
    *("says", r"(?<!that )said", r"claims?", "claimed", "thinks", r"(?<!second )thought", "guessed", "expected"),
)
_ELSEWHERE = (
    *(
        r"tempt\w*",
        "easy",
        "mistake",
        "error",
        "trap",
        "lure",
        "distractor",
        "runner-up",
        r"confus\w*",
        "at first",
        "initially",
    ),
    *("previous", "before", "sample", "example", "e\\.g", "such as", "for instance", "write", "reply", "respond"),
    *("format", "form", "instruction", "tentative", "preliminary", "wrong", "incorrect", "looks like", "watch out"),
    "prepared to",
)
SUPPOSED = compiled(r"\b", any_of(*_SUPPOSING, *_OTHERS, *_ELSEWHERE), r"\b")
# ... and what begins a clause of the writer's own after that.
OWN_CLAUSE = compiled(
    r"\A\s*(?:wrong|incorrect)\s*[:.,]|\b(?:but|however|yet)\b|;|,\s+so\b|\b(?:hence|therefore|thus)\b|—"
)
# ... and what is meant although such words stand there: "if I had to choose".
MEANT_ANYWAY = compiled(
    any_of(
        r"\bif (?:i (?:had to|have to|must)|forced|pressed|you ask|that)",
        *(r"\byou (?:should|must|can|want|need to|get)\b", r"\bso (?:you|they)\b", r"\bno mistake\b"),
        r"\b(?:i|i'd|i'll|we) (?:think|guess|say)\b",
    )
)
WOULD = compiled(r"\bwould\b")
CONDITION = compiled(
    r"\b(?:then (?:it|that|the answer)|if|had|were|unless|otherwise|without|forg[eo]t\w*|provided|someone|anyone|",
    r"somebody|one who)\b",
    r"(?! (?:i|we) (?:had to|have to|must))",
)
CONDITION_AFTER = compiled(r"[^.!?\n]{0,80}\b(?:if|only if|had|provided|unless|were|otherwise)\b")
# "None of this shows that", before a label
SPOKEN_OF = compiled(
    r"(?:n't|\b(?:not|never|none|nothing|nobody|no one|doubt|refuse|hardly|deny|no way))\b",
    r"(?! (?:sure|certain|100|only|only that|need|possible))[^.;,:]{0,50}\Z",
)
# "under the first interpretation the answer would be"
ONE_OF_CASES = compiled(
    r"\b(?:first|second|former|latter|other|either) (?:\w+ ){0,2}(?:interpretation|case|reading|sense)"
)
# "Let's try option": a letter that is only looked at
EXPLORES = compiled(
    r"\b(?:try|trying|consider|check|test|suppose|look at|let's|let us|assume|start with|begin with|next|examine)\b",
    r"[^.]{0,20}\Z",
)
# A second letter beside the first: "or C", "/ C", "(or possibly C)", "with 50 % and C".
BESIDE = compiled(
    r"[\s)\]}>\"']{0,3}(?:\([^()\n]{0,24}\)\s?|(?:with|at|:)?\s?\d{1,3}\s?%\s?)?",
    r"(?:[,/&+|—–-]|,?\s*(?:and|or|as well as|and/or|then|also|plus|followed by|,\s*then)\b|;|\n)?[\s,(\[]{0,4}",
    r"(?:(?:or|and|also|possibly|maybe|perhaps|probably|alternatively|if not,?(?: then)?|otherwise|even|then|else|",
    r"with|",
    r"but (?:maybe|possibly|perhaps|also)|second(?:ly| choice)?:?|option|choice|letter|answer)[\s,:(]+){0,4}",
    r"(?P<other>[a-j])(?![\w'(=])",
)
ALSO = compiled(
    r"\b",
    any_of(
        *("also", "equally", "as well", "too", "backup", "back-up", "second choice", "alternatively", "otherwise"),
        *("acceptable", "accept", "either", "both", "just as", "runner-up", "fallback", "likewise"),
    ),
    r"\b",
)
NOT_ALSO = compiled(r"\bnot?\b|n't|although|tempting|though")
# "Also acceptable:", "Backup:", before a second letter
BESIDE_BEFORE = compiled(
    any_of(
        r"(?:\A|[.!?\n;]\s*)(?:or|and maybe|or maybe|possibly|maybe|also)\s+"
        r"(?:maybe |possibly |perhaps |it's |it is )?",
        r"\balso (?:acceptable|correct|right|possible|fine|works|ok|good|true|valid)\s*(?::|is|would be)?\s*",
        r"\b(?:alternative|backup|back-up|second|another|other|secondary|fallback)\s+"
        r"(?:answer|choice|alternative answer|option|guess)\s*(?::|is|would be)\s*",
        *(r"\bbackup\s*:\s*", r":\s*also\s+", r"\botherwise,?\s+", r"\bif not,?\s+(?:then\s+)?"),
    ),
    r"(?:option |choice |answer )?[\s(]*\Z",
)
# "is fine too", after a second letter
BESIDE_AFTER = compiled(
    r"[\s)\].]*(?:is|are|works|would be|would)?\s*",
    any_of(
        r"(?:also|equally) (?:correct|right|acceptable|fine|possible|ok|okay|valid|good|true|works?|an answer)",
        r"too\b(?! (?:small|large|big|high|low|few|much|many|long|short|little))",
        r"(?:fine|acceptable|ok|okay|correct|right|possible|good),? (?:too|as well)",
        "just as",
    ),
)
# "If that is marked wrong, then", before a second letter
IF_WRONG = compiled(
    r"\bif (?:that|this|it|i|[a-j])(?:'s| is| was| am)? (?:marked |counted |graded |considered )?(?:as )?",
    r"(?:wrong|incorrect|not (?:right|correct|accepted))",
)
