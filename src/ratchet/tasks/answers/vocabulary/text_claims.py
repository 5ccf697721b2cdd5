r"""How an answer in words is announced, described, and led up to.

Patterns repeat within bounds, or over what cannot be matched in two ways, so that they cost a constant per character.
"""

import re

from ratchet.tasks.answers.phrases import ON_A_LINE, any_of, any_phrase, compiled

MARK = r"[*_`\"'“”)]{0,4}"
NAMES = any_of("answer", "translation", "form", "response", "result")
# "final answer", "correct form", "answer"; the word before it says whether it is one
NAMED = any_phrase(f"(?:final|correct) {NAMES}", "answer", blank=ON_A_LINE)

# "Final answer: X", "**Answer**: X"
LABEL = compiled(
    NAMED,
    rf"[ \t]{{0,3}}(?:\([^()\n]{{0,40}}\))?{MARK}[ \t]{{0,3}}[:：]{MARK}",
    ignore_case=True,
)
HEADING = compiled(
    r"^[ \t#*_>]{0,8}",
    r"(?:(?:the|my|our)[ \t]+)?(?:(?:final|correct)[ \t]+)?answer",
    r"[ \t]{0,3}[*_:：]{0,4}[ \t]*$",
    ignore_case=True,
    by_line=True,
)
OPENS_LINE = compiled(
    r"[ \t#*_>-]*(?:(?:so|thus|therefore|hence|the|my|our)\b[ \t,]*){0,6}\Z",
    ignore_case=True,
)
# "The answer is X", "final answer = X"
IS = compiled(
    NAMED,
    rf"{MARK}[ \t]+",
    any_phrase(
        "is",
        "would be",
        "must be",
        "should be",
        "=",
        "->",
        "→",
        "—",
        "–",
        "-",
        blank=ON_A_LINE,
    ),
    r"(?![\w'-])[ \t]*:?",
    ignore_case=True,
)
JSON = compiled(r"[\"']answer[\"'][ \t]*:[ \t]*[\"']([^\"'\n]{1,300})[\"']", ignore_case=True)
BOX = compiled(r"\\boxed\s{0,2}\{")
TAG = compiled(r"<(?:answer|final_answer)\b[^<>\n]{0,40}>", ignore_case=True)
TAG_END = compiled(r"</(?:answer|final_answer)>", ignore_case=True)
LABELLED_LINE = compiled(
    r"^[ \t#*_>-]{0,8}(?:(?:the|english|dakota|final|full)[ \t]+){0,3}",
    any_phrase(
        "translation",
        "complete form",
        "inflected form",
        blank=ON_A_LINE,
    ),
    r"[ \t]{0,3}[*_]{0,3}[ \t]{0,3}[:：]",
    ignore_case=True,
    by_line=True,
)

# "The answer is clear", "... a first-person plural verb": says something about the answer, and is not it.
DESCRIPTIONS = (
    "based",
    "correct",
    "right",
    "wrong",
    "incorrect",
    "different",
    "clear",
    "given",
    "as",
    "because",
    "probably",
    "likely",
    "not",
    "simple",
    "simply",
    "straightforward",
    "easy",
    "obvious",
    "here",
    "below",
    "above",
    "found",
    "derived",
    "formed",
)
GRAMMAR = (
    "plural",
    "singular",
    "dual",
    "verb",
    "noun",
    "pronoun",
    "adjective",
    "adverb",
    "particle",
    "prefix",
    "suffix",
    "affix",
    "stem",
    "root",
    "person",
    "tense",
    "form",
    "forms",
    "word",
    "phrase",
    "sentence",
    "translation",
    "answer",
    "reading",
    "accent",
    "meaning",
    "subject",
    "object",
)
DESCRIBES = compiled(
    any_of(
        rf"{any_of(*DESCRIPTIONS)}\b",
        rf".{{0,80}}\b{any_of(*GRAMMAR)}\b",
    ),
    ignore_case=True,
)
# What may stand between one label and the next, or a box, without being an answer: "Final answer: the final answer
# is".
LEADING_ON = (
    "so",
    "thus",
    "therefore",
    "hence",
    "then",
    "and",
    "the",
    "my",
    "our",
    "a",
    "final",
    "correct",
    "answer",
    "translation",
    "form",
    "result",
    "is",
    "here",
    "as",
    "in",
    "english",
    "dakota",
    "would",
    "be",
    "it",
    "this",
    "that",
    "means",
    "text",
)
LEADS_ON = compiled(any_of(r"[\W_]", rf"\b{any_of(*LEADING_ON)}\b"), r"*\Z", ignore_case=True)
# What stands before a label: the beginning of its line or of a sentence, or a word that makes it one.
INTRODUCED = compiled(
    any_of(
        r"(?:^|[\n.!?:;,)\]*_#>\"”|-])[ \t*_#>\"“]*"
        r"(?:(?:so|thus|therefore|hence|and|then|now|ok|okay)\b[, \t]*){0,3}"
        r"(?:the|my|our|a|this)?[ \t*_]*\Z",
        r"\b(?:the|my|our|is the)[ \t*_]+\Z",
    ),
    ignore_case=True,
)
# "I write 'answer: ...'": the instruction, repeated
ASKS_OR_QUOTES = compiled(
    any_of(
        r"\b(?:to|i|we|you|such as|as in|like|with|write|say|format|form)[ \t]*[\"'“`]?",
        r"[\"“]",
    ),
    r"\Z",
    ignore_case=True,
)

# Words that lead in an answer: "So the complete form is ...", "It means ...", "I would say ...".
CONNECTIVES = (
    "so",
    "thus",
    "therefore",
    "hence",
    "then",
    "ok",
    "okay",
    "and",
    "now",
    "i think",
    "i believe",
)
QUALITIES = (
    "my",
    "the",
    "our",
    "final",
    "correct",
    "complete",
    "completed",
    "full",
    "resulting",
    "inserted",
    "affixed",
    "finished",
    "whole",
    "right",
    "dakota",
    "lakota",
    "english",
    "literal",
    "best",
    "required",
    "derived",
    "inflected",
    "so",
    "thus",
    "therefore",
    "hence",
    "and",
)
THINGS = (
    "answer",
    "translation",
    "form",
    "word",
    "sentence",
    "result",
    "phrase",
    "meaning",
    "dakota",
    "english",
    "solution",
    "response",
    "output",
    "rendering",
    "expression",
)
THING_IS = (
    rf"[*_]{{0,3}}(?:{any_of(*QUALITIES)}[ \t]+){{0,5}}"
    rf"{any_of(*THINGS)}(?:[ \t]+(?:form|sentence|word|text|phrase))?"
    r"(?:[ \t]+for[ \t]+[\"'“‘*][^\"'”’*\n]{1,40}[\"'”’*])?"
    r"(?:[ \t]+(?:here|then|in[ \t]+(?:english|dakota)|into[ \t]+(?:english|dakota)))?"
    rf"{MARK}[ \t]{{0,3}}"
    rf"(?:[:：=→]{MARK}|[ \t]*(?:is|would[ \t]+be|means|becomes|=|->|—|–|-)(?![\w']))[ \t]*:?"
)
LEAD = compiled(
    rf"(?:{any_of(*CONNECTIVES)}\b[,:]?[ \t]*){{0,3}}",
    any_phrase(
        THING_IS,
        r"(?:it|this|that) (?:means|translates (?:to|as))[ \t]*:?",
        r"(?:it|this|that) is[ \t]*:",
        r"i(?:['’]d| would) (?:say|answer|go with|translate (?:it|this) as)[ \t]*:?",
        r"i (?:say|answer)[ \t]*:",
        r"(?:=>|->|→|⇒|∴)[ \t]*",
        blank=ON_A_LINE,
    ),
    r"[ \t]*",
    ignore_case=True,
)
# "... so the form is *X*": what a last line ends with; and "stem + affix = X", "form: X".
SAYING = (
    "is",
    "be",
    "as",
    "to",
    "say",
    "says",
    "means",
    "mean",
    "giving",
    "gives",
    "give",
    "yields",
    "yield",
    "obtain",
    "get",
    "noun",
    "verb",
    "word",
    "form",
    "translation",
)
SPAN = compiled(
    r"(?P<before>.{1,400}?)\b",
    any_of(*SAYING),
    r"[ \t]+(?:\*\*|[*`\"'“‘«„])(?P<said>[^*`\"“”«»„]{1,200}?)(?:\*\*|[*`\"'”’“»])",
    r"(?:[ \t]+in[ \t]+(?:english|dakota))?[ \t]*[.!]?\Z",
    ignore_case=True,
)
AFTER = compiled(r"(?P<before>.*)(?P<sign>[:：=→⇒]|->)[ \t]*(?P<said>[^:：=→⇒>\n]*[^\W\d_][^:：=→⇒>\n]*)\Z")
WORKING = compiled(r"[+\d\"'“”«»*`(]|[^\x00-\x7f]|-(?:\s|$)")
QUOTED = compiled(r"[ \t]*(?:\*\*|[\"“«`])[^*\"“”«»`\n]{1,200}(?:\*\*|[\"”»`])")
NOTE = compiled(
    any_of(
        r",[ \t]+(?:meaning|which[ \t]+(?:is|means|would)|i\.e\.?|literally)\b",
        r",?[ \t]+(?:because|since)\b",
        r"[ \t]+[—–][ \t]",
        r"[.!][ \t]+(?=[A-Z(])",
    )
)

# Lines and sentences around an answer.
SENTENCE = compiled(
    r"(?<=[.!?*\"”'])[ \t]+(?=",
    any_of(
        "Let me know",
        "I hope",
        "Hope ",
        "Feel free",
        "If you",
        "Please",
        "Would you",
        "This is",
        "Here",
        "It is",
        "Note",
    ),
    r"\b)",
)
COURTESY = compiled(
    r"\W*",
    any_of(
        "let me know",
        "i hope",
        "hope (?:this|that|it)",
        "feel free",
        "if you (?:have|need|want|would)",
        "thank",
        "good luck",
        "is there anything",
        "happy to",
        "please (?:let|feel)",
        "would you like",
        "great question",
    ),
    ignore_case=True,
)
# What is said before a question is restated; "here", "well" and "hi" can be answers.
OPENER = re.compile(
    any_of(
        r"\W*"
        + any_of(
            r"(?:sure|ok|okay|alright|all right|certainly|of course|great|reasoning)\b",
            r"(?:hello|hi|yes|well|first|thanks|now),",
            r"let(?:'s| me| us)\b",
            r"here(?:'s| is| are)\b",
            r"i(?:'ll| will| need)\b",
            r"we (?:need|have)\b",
            r"step \d",
        ),
        r".*:\s*\Z",
    ),
    re.IGNORECASE | re.DOTALL,
)
NOTHING = compiled(r"[\W_]*\Z")
