"""The vocabulary of ``written_answers``: how an answer in words is announced, described, hedged, denied and taken back.

Patterns repeat within bounds, or over what cannot be matched in two ways, so that they cost a constant per character.
"""

import re

MARK = r"[*_`\"'“”)]{0,4}"
NAMES = r"(?:answer|translation|form|response|result)"
# "Final answer: X", "**Answer**: X"; the word before it says whether it is one.
LABEL = re.compile(
    rf"(?:(?:final|correct)[ \t]+{NAMES}|answer)[ \t]{{0,3}}(?:\([^()\n]{{0,40}}\))?{MARK}[ \t]{{0,3}}[:：]{MARK}",
    re.IGNORECASE,
)
HEADING = re.compile(
    r"^[ \t#*_>]{0,8}(?:(?:the|my|our)[ \t]+)?(?:(?:final|correct)[ \t]+)?answer[ \t]{0,3}[*_:：]{0,4}[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
OPENS_LINE = re.compile(r"[ \t#*_>-]*(?:(?:so|thus|therefore|hence|the|my|our)\b[ \t,]*)*\Z", re.IGNORECASE)
IS = re.compile(
    rf"(?:(?:final|correct)[ \t]+{NAMES}|answer){MARK}[ \t]+(?:is|would[ \t]+be|must[ \t]+be|should[ \t]+be|=|->|→|—|–|-)(?![\w'-])[ \t]*:?",
    re.IGNORECASE,
)
JSON = re.compile(r"[\"']answer[\"'][ \t]*:[ \t]*[\"']([^\"'\n]{1,300})[\"']", re.IGNORECASE)
BOX = re.compile(r"\\boxed\s{0,2}\{")
TAG = re.compile(r"<(?:answer|final_answer)\b[^<>\n]{0,40}>", re.IGNORECASE)
TAG_END = re.compile(r"</(?:answer|final_answer)>", re.IGNORECASE)
LABELLED_LINE = re.compile(
    r"^[ \t#*_>-]{0,8}(?:(?:the|english|dakota|final|full)[ \t]+){0,3}(?:translation|complete[ \t]+form|inflected[ \t]+form)[ \t]{0,3}[*_]{0,3}[ \t]{0,3}[:：]",
    re.IGNORECASE | re.MULTILINE,
)
# "The answer is clear", "... a first-person plural verb": says something about the answer, and is not it.
DESCRIBES = re.compile(
    r"(?:based|correct|right|wrong|incorrect|different|clear|given|as|because|probably|likely|not|simple|simply|straightforward|easy|obvious|here|below|above|found|derived|formed)\b"
    r"|.{0,80}\b(?:plural|singular|dual|verb|noun|pronoun|adjective|adverb|particle|prefix|suffix|affix|stem|root|person|tense|form|forms|word|phrase|sentence|translation|answer|reading|accent|meaning|subject|object)\b",
    re.IGNORECASE,
)
# What may stand between one label and the next, or a box, without being an answer: "Final answer: the final answer is".
LEADS_ON = re.compile(
    r"(?:[\W_]|\b(?:so|thus|therefore|hence|then|and|the|my|our|a|final|correct|answer|translation|form|result|is|here|as|in|english|dakota|would|be|it|this|that|means|text)\b)*\Z",
    re.IGNORECASE,
)
# What stands before a label: the beginning of its line or of a sentence, or a word that makes it one.
INTRODUCED = re.compile(
    r"(?:^|[\n.!?:;,)\]*_#>\"”|-])[ \t*_#>\"“]*(?:(?:so|thus|therefore|hence|and|then|now|ok|okay)\b[, \t]*){0,3}(?:the|my|our|a|this)?[ \t*_]*\Z|\b(?:the|my|our|is the)[ \t*_]+\Z",
    re.IGNORECASE,
)
DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|doubt|wrong|incorrect|false|instead[ \t]+of|rather[ \t]+than|no|neither|nor|than)|n['’]t)\b[^.!?\n]{0,30}\Z",
    re.IGNORECASE,
)
ASKS_OR_QUOTES = re.compile(
    r"(?:\b(?:to|i|we|you|such as|as in|like|with|write|say|format|form)[ \t]*[\"'“`]?|[\"“])\Z", re.IGNORECASE
)
CORRECTS = re.compile(
    r"\b(?:wait|hold[ \t]+on|take[ \t]+(?:it|that|this)(?:[ \t]+answer)?[ \t]+back|actually|correction|oops|sorry|scratch[ \t]+that|on[ \t]+second[ \t]+thought|i[ \t]+was[ \t]+wrong|my[ \t]+mistake|let[ \t]+me[ \t]+(?:correct|fix|redo|re-?check|reconsider|try[ \t]+again)|"
    r"i[ \t]+mean|(?:that|this|it)(?:['’]s|[ \t]+is|[ \t]+was)[ \t]+(?:wrong|incorrect|not[ \t]+right|not[ \t]+correct|a[ \t]+mistake))\b|(?:^|[.!\n])[ \t]*no[,.—–]",
    re.IGNORECASE,
)
WITHDRAWS = re.compile(
    r"\b(?:(?:that|this|it|which|(?:my|the|this|that)[ \t]+answer)(?:['’]s|[ \t]+is|[ \t]+was)[ \t]+(?:wrong|incorrect|not[ \t]+right|not[ \t]+correct|false|a[ \t]+mistake|mistaken)|scratch[ \t]+that|"
    r"(?:ignore|disregard)[ \t]+(?:that|this|my|the)\b|withdraw(?:ing|n)?|retract(?:ing|ed)?|correction[ \t]*:|no,?[ \t]+wait|wait,?[ \t]+no|can(?:['’]t|not)[ \t]+(?:tell|say)[ \t]+(?:which|whether|if)|(?:might|may|could)[ \t]+(?:equally|just[ \t]+as|also)[ \t]+|i[ \t]+(?:take[ \t]+(?:it|that|this)[ \t]+back|was[ \t]+wrong|made[ \t]+a[ \t]+mistake|do[ \t]+not[ \t]+know|don['’]t[ \t]+know)|on[ \t]+(?:second[ \t]+thoughts?|reflection)|can(?:not|['’]t)[ \t]+(?:hold|be[ \t]+(?:right|true|it))|"
    r"actually[, \t]+(?:it|that|this|the|no)\b|i(?:['’]m|[ \t]+am)[ \t]+not[ \t]+sure[ \t]*(?:[.!\n]|\Z|(?:about|of)[ \t]+(?:it|this|that|my))|i[ \t]+will[ \t]+not[ \t]+commit|never[ \t]?mind[ \t]*(?:[.!\n]|\Z)|could[ \t]+be[ \t]+wrong)|^[ \t]*no[,.!—–]",
    re.IGNORECASE | re.MULTILINE,
)
HEDGES = re.compile(
    r"[\s*_`\"'”»).,;:]{0,6}(?:[(]\s*)?(?:or|alternatively|or maybe|possibly|perhaps|maybe|otherwise)\b", re.IGNORECASE
)
IMAGINED = re.compile(r"\b(?:if|were|had)\b[^.!?\n]*\Z", re.IGNORECASE)
CANDIDATES = re.compile(
    r"\b(?:two|three|both|either|several|candidates|options|possibilities|equally)\b[^:]*:\Z", re.IGNORECASE
)
SENTENCE = re.compile(
    r"(?<=[.!?*\"”'])[ \t]+(?=(?:Let me know|I hope|Hope |Feel free|If you|Please|Would you|This is|Here|It is|Note)\b)"
)
COURTESY = re.compile(
    r"\W*(?:let me know|i hope|hope (?:this|that|it)|feel free|if you (?:have|need|want|would)|thank|good luck|is there anything|happy to|please (?:let|feel)|would you like|great question)",
    re.IGNORECASE,
)
# What is said before a question is restated; "here", "well" and "hi" can be answers.
OPENER = re.compile(
    r"\W*(?:(?:sure|ok|okay|alright|all right|certainly|of course|great|reasoning)\b|(?:hello|hi|yes|well|first|thanks|now),|let(?:'s| me| us)\b|here(?:'s| is| are)\b|i(?:'ll| will| need)\b|we (?:need|have)\b|step \d)|.*:\s*\Z",
    re.IGNORECASE | re.DOTALL,
)

LEAD = re.compile(
    r"(?:(?:so|thus|therefore|hence|then|ok|okay|and|now|i think|i believe)\b[,:]?[ \t]*){0,3}"
    r"(?:[*_]{0,3}(?:(?:my|the|our|final|correct|complete|completed|full|resulting|inserted|affixed|finished|whole|right|dakota|english|literal|best|required|derived|inflected|so|thus|therefore|hence|and)[ \t]+){0,5}"
    r"(?:answer|translation|form|word|sentence|result|phrase|meaning|dakota|english|solution|response|output|rendering|expression)"
    r"(?:[ \t]+(?:form|sentence|word|text|phrase))?(?:[ \t]+(?:here|then|in[ \t]+(?:english|dakota)|into[ \t]+(?:english|dakota)))?"
    rf"{MARK}[ \t]{{0,3}}(?:[:：=→]{MARK}|[ \t]*(?:is|would[ \t]+be|means|becomes|=|->|—|–|-)(?![\w']))[ \t]*:?"
    r"|(?:it|this|that)[ \t]+(?:means|translates[ \t]+(?:to|as))[ \t]*:?|(?:it|this|that)[ \t]+is[ \t]*:|i(?:['’]d|[ \t]+would)[ \t]+(?:say|answer|go[ \t]+with|translate[ \t]+(?:it|this)[ \t]+as)[ \t]*:?|i[ \t]+(?:say|answer)[ \t]*:|(?:=>|->|→|⇒|∴)[ \t]*)[ \t]*",
    re.IGNORECASE,
)
# "... so the form is *X*": what a last line ends with; and "stem + affix = X", "form: X".
SPAN = re.compile(
    r"(?P<before>.{1,400}?)\b(?:is|be|as|to|say|says|means|mean|giving|gives|give|yields|yield|obtain|get|noun|verb|word|form|translation)[ \t]+"
    r"(?:\*\*|[*`\"'“‘«„])(?P<said>[^*`\"“”«»„]{1,200}?)(?:\*\*|[*`\"'”’“»])(?:[ \t]+in[ \t]+(?:english|dakota))?[ \t]*[.!]?\Z",
    re.IGNORECASE,
)
AFTER = re.compile(r"(?P<before>.*)(?P<sign>[:：=→⇒]|->)[ \t]*(?P<said>[^:：=→⇒>\n]*[^\W\d_][^:：=→⇒>\n]*)\Z")
ALTERNATIVES = re.compile(r"\s/\s|\bor\b|^(?:[^,\s]+(?: [^,\s]+){0,2},\s*){2,}", re.IGNORECASE)
WORKING = re.compile(r"[+\d\"'“”«»*`(]|[^\x00-\x7f]|-(?:\s|$)")
QUOTED = re.compile(r"[ \t]*(?:\*\*|[\"“«`])[^*\"“”«»`\n]{1,200}(?:\*\*|[\"”»`])")
NOTE = re.compile(
    r"(?:,[ \t]+(?:meaning|which[ \t]+(?:is|means|would)|i\.e\.?|literally)\b|[ \t]+[—–][ \t]|[.!][ \t]+(?=[A-Z(]))"
)

BULLET = re.compile(r"(?:[-•>#]+|\d{1,2}[.)])[ \t]+")
LATEX = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf|tt)|emph|mbox)\s*\{([^{}]*)\}|\\(?:large|Large|normalsize|bf|it|quad|,|;|!)(?![a-zA-Z])"
)
PAIRS = (("__", "__"), ("$$", "$$"), ("''", "''"), ("„", "“"), ("\\(", "\\)"), ("\\[", "\\]"), *zip("_\"'“„«»‘‚「『$([{<", "_\"'””»«’’」』$)]}>", strict=True))  # fmt: skip
WRAPS = {left[0]: [pair for pair in PAIRS if pair[0][0] == left[0]] for left, _ in PAIRS}
QUOTES = ('"', "“", "”")
EDGES = " \t\n\r\v\f\u00a0.,;:!_"
NOTHING = re.compile(r"[\W_]*\Z")
