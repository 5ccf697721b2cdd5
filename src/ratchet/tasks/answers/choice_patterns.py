r"""The vocabulary of ``answer_claims``: how an answer is dressed, announced, hedged, denied and taken back.

Every pattern here is tried only where a keyword was found by substring search, and repeats only possessively or within
bounds, so that it costs a constant per keyword. Those used on lowered text carry no IGNORECASE: literals are much
faster without.
"""

import re
import unicodedata

# Everything that may stand between a label and its letter without changing what is said (lowered text).
_DRESS = (
    r"'s\b|[\s*_`\"'(\[{<$#>|~:=\-–—→⇒➔➡.,、。«»„【「『]{1,60}+|\\(?:text|textbf|textit|textrm|textsf|texttt|mathrm|mathbf|mathit|mathsf|mathtt|mbox|emph|boxed|fbox|framebox|underline|bf|rm|left|quad)(?![a-z])"
    r"|\\[(\[,;! ]|(?<=<)/?(?:b|strong|em|i|u|span|p)>|&nbsp;"
)
_WORDS = (
    r"is|in fact|are|was|be|becomes|would|will|must|should|shall|has|have|to|thus|therefore|hence|then|so|clearly|simply|indeed|here|now|"
    r"finally|obviously|definitely|certainly|most likely|i(?:'d|'ll)?|get|got|chose|choose|found|find|go|with|we|it(?:'s)?|the|this|that|for|question|"
    r"problem|correct|right|final|best|only|option|choice|letter|alternative|key|given|by|answer|ans|comes|out|turns|marked|labell?ed|"
    r"corresponds|corresponding|namely|our|one|above|choices|opt|statement|being|came|equals?|say|selected|no|probably|actually|instead|also"
)
_NOT = r"not|isn't|isnt|wasn't|cannot|can't|couldn't|never|neither|no longer|anything but"
BRIDGE_TEXT = rf"(?:{_DRESS}|\b(?:{_WORDS})\b(?!'))"
BRIDGE = re.compile(rf"{BRIDGE_TEXT}{{0,24}}+")
DENY = re.compile(rf"(?:{_NOT})\b{BRIDGE_TEXT}{{0,8}}+")

# What may follow a letter that is a name: not "A train", "C.P.", "B's", "A:B", "D/(M-3)", "E = mc2" (original text).
_GOES_ON = (
    r"because|since|as(?!\s+long)|is\s+(?:the\s+)?(?:correct|right|answer|best|our|my)|which|with\s+(?:the\s+)?(?:value|answer)|i\.?e\b|"
    r"for\s+(?:the|this)|by|from\s+the|that\s+is|namely|after|when\s+we|option|choice|thanks|final|i\s+hope|hope|correct|but|"
    r"and\s+(?:it|the|we|that|this|not|i)\b|not|rather\s+than|instead|actually|wait|explanation|reason|solution|hence|therefore|thus|"
    r"so|where|in\s+the\s+(?:list|options)|of\s+the\s+(?:options|choices)|according|or|and|no|sorry|oops|hmm|answer|with|among|given|matches|here\b|then\b|it\s+is|also"
)
CLOSE = r"[*_`\"')\]}>|$\\~»”」』】✓✔✅☑]"
LETTER = re.compile(
    rf"(?P<letter>[A-Ja-j])(?![\w'’^+/](?!\*|_{{1,2}}(?:\W|$)|'(?:\W|$)))(?={CLOSE}{{0,12}}+\s{{0,4}}+(?:$|\n|[#\\]|the\s+(?:correct|right|best|only|answer)\b|[.](?![a-z0-9]|[A-Z](?:[^a-z]|$))|[,;!。、，；！]"
    rf"|[)\]}}<\"'`]|:(?!\s*[A-Ja-j\d]\b)|[-–—](?:\s|[^\w\s])|\((?!\d+\s*[-+*/])|=|\?|[$]?\d|[→⇒✓✔✅☑|&]|/\s?[A-J]\b|(?:{_GOES_ON})\b|[^\x00-\x7f]|[A-Z][a-z]+\b))"
)
LABEL_THEN_TEXT = re.compile(r"(?P<letter>[A-J])\s?[).:\]][*_]{0,2}\s{0,3}(?=\S)(?P<text>[^\n]{1,100})")
HEDGE = re.compile(
    rf"{CLOSE}{{0,8}}+\s?(?:\([^()\n]{{1,25}}\)|\s[-+$]?[\d.,/%]{{1,12}})?\s{{0,4}}+(?:,\s*(?:or|and|maybe|perhaps|possibly)\b|[,/|&+;](?!\s*\w\w)|\b(?:or|and|und|oder|o|ou|y|et|e|или|и)\b|[、或和와])"
    r"(?:[\s*_`\"'(\[{$]|\b(?:either|maybe|possibly|perhaps|also|option|answer|it|is|could|be|might)\b){0,12}+(?P<other>[A-J])(?![\w'’^])(?!\s*(?:is|was|are|gives?|would|does|will)\b)"
)
ALSO = re.compile(
    r"\b(?:[Oo]r|[Aa]lternatively|[Pp]ossibly|[Mm]aybe|[Pp]erhaps|[Oo]therwise|equally|acceptable|also\s+(?:correct|possible|works?|right|valid|acceptable|fine|be)|with\s+\d+\s?%)(?:\b|\s|$)|または|或|또는|или"
)
NEGATES = re.compile(r"\b(?:not|wrong|incorrect|rather|than|because|since|neither|nor)\b|n't")
NOT_BUT = re.compile(
    rf"{CLOSE}{{0,8}}\s?(?:\([^()\n]{{1,80}}\))?[\s,;.]{{0,6}}+(?:but|rather|it\s+is|it's)\b{BRIDGE_TEXT}{{0,8}}+(?P<letter>[a-j])(?![\w'’^])"
)
NEXT_LABEL = re.compile(r"\s?[).:\]\-–][^\n]{0,80}?(?:\n[^\n]{0,3}?|[\s,;(|])\(?(?P<next>[B-J])\s?[).:\]\-–]")
UNREAL = re.compile(
    r"(?:\b(?:if|suppose|supposing|assume|assuming|whether|unless|imagine|were|pretend|thought|thinks|guessed|had|wrong|incorrect|false|tempting|not|doubts?|deny|(?:do\s?n['o]t|does\s?n['o]t|did\s?n['o]t|ca\s?n['o]t|cannot|would\s?n['o]t|wo\s?n't|do\s+not)\s+(?:think|believe|say|see|agree|know|accept))\b(?:\s+(?:that|how|why|to\s+(?:say|assume|conclude|think)(?:\s+that)?))?(?:\s+(?:say|put|choose|pick))?\s+"
    r"|\b(?:students?|people|others?|everyone|someone|somebody|friends?|teachers?|solvers?|he|she|they|you)\s+(?:\w+\s+)?|\b(?:mistake|error|tempt\w+|easy|wrong|trap)\s+(?:\w+\s+)?to\s+(?:(?:say|put|choose|pick|select|mark|go\s+with)\s+)?|\b(?:possible|potential|another|initial|tentative|candidate|first|incorrect|wrong|expected|previous|old|sample|second)\s+"
    r"|(?:\b(?:e\.g\.?|for example|for instance|example|such as|as in|like|form|format|say|write|print|output|type|respond with|reply with|ending with|end with|exactly|saying|says|said|claims?|claimed|one of)|\()[\s:,]*[\"'`]\s*"
    r"|\b(?:none|nothing|hardly|nobody|nor)\b[^.\n]{0,45}\bthat\s+"
    r"|\b(?:e\.g\.?|for example|for instance|such as|as in)[\s:,]+"
    r"|\b(?:is|was|could|can|are|might|may)\s+)"
    r"(?:(?:the|my|your|our|his|her|their|a|an)\s+)?(?:(?:correct|final|right|true|best|only)\s+)*(?:(?:option|choice|letter|answer)\s+(?:is\s+)?)?$"
)
ASKED = re.compile(rf"{CLOSE}{{0,8}}+[^.!\n]{{0,50}}?\?")
DENIED_LATER = re.compile(
    rf"{CLOSE}{{0,8}}+\s*(?:\([^()\n]{{1,25}}\)\s*)?(?:is|was|seems|looks|can)\s*(?:not\b|n't|incorrect|wrong|false|ruled|clearly wrong|impossible|too\b|out\b|eliminated)"
)
EQUALS = re.compile(rf"{CLOSE}{{0,8}}+\s*=\s*(?P<value>[^\n]{{1,60}})")

# A letter before its label: "C is the correct ...". `BEFORE_ENDS` says cheaply where that is worth trying.
BEFORE_ENDS = tuple(
    f"{word} "
    for word in "the our my your a an only right best final correct is be being was as most appropriate required one therefore thus hence clearly indeed obviously definitely certainly not to".split()
)
BEFORE = re.compile(
    rf"(?:^|[\n.!?;:,(>|]\s*|[→⇒∴]\s*|\b(?:so|So|hence|Hence|thus|Thus|therefore|Therefore|then|[Oo]ption|[Cc]hoice|letter|that|think|believe|say|means|[Aa]nswer|IMO|and|but|no|[Aa]ctually|Yes)\s+)[*_`\"'(\[{{$]{{0,6}}(?P<letter>[A-J]){CLOSE}{{0,6}}[.:]?\s{{0,3}}"
    r"(?:\([^()\n]{1,25}\)\s*|[-+$]?[\d.,/%]{1,12}\s*\w{0,10}\s+)?(?:is|was|must\s+be|would\s+be|will\s+be|has\s+to\s+be|should\s+be|being|→|as|to\s+be|appears\s+to\s+be)\s*(?P<deny>not\s+|n't\s+)?(?:(?:therefore|thus|hence|clearly|then|indeed|obviously|definitely|certainly)\s+)?"
    r"(?:(?:the|our|my|your|an?)\s+)?(?:(?:only|right|best|final|correct|most|appropriate|required|one|that)\s+){0,3}$"
)
LISTED_BEFORE = re.compile(r"(?P<other>[A-J])\)?\s*(?:,|\bor\b|\band\b|/|&)\s*(?:or\b|and\b)?\s*[(*]*$")
WINS = re.compile(
    r"(?:^|[\n.!?;:,]\s*|\b(?:[Ss]o|[Tt]hus|[Tt]hen|[Hh]ence|[Tt]herefore|option|Option|[Oo]nly)\s+)[(*]{0,3}(?P<letter>[A-J])[)*]{0,3}\s+$"
)
IMAGINED = re.compile(r"\b(?:if|were|had|someone|somebody|anyone|who|forg[eo]t\w*|without|otherwise|one)\b")
LOOKS_RIGHT = re.compile(
    rf"{CLOSE}{{0,8}}\s*(?:[:\-–—]?\s*(?:\([^()\n]{{1,25}}\)|[-+$]?[\d.,/%]{{1,12}}(?:\s\w{{1,10}})?)\s*)?[,:]?\s*(?:which\s+)?(?:is\s+(?:the\s+|our\s+|my\s+|therefore\s+|thus\s+){{0,3}}(?:correct|right|answer|best|true|one|solution)|matches|fits|works|satisfies|it\s+is\b)"
)
LEADS_TO = re.compile(
    r"(?:\b(?:correct|choos(?:e|ing)|chose|pick(?:ing)?|select(?:ing|ed)?|answer|ans|hence|so|therefore|thus|match(?:es|ing)?|match(?:es)?\s+with|corresponds?\s+to|corresponding\s+to|equal(?:s)?\s+to|same\s+as|"
    r"go(?:ing)?\s+with|opt\s+for|i\.?e\.?|imo|mark|is|gives|say|vote\s+for|favou?rs?|agrees\s+with|means|conclude|stick\s+with|settle\s+on|submit)|[=:>→⇒∴✓✔✅☑])[\s*_.,:`\"'(]{0,6}(?:the\s+)?(?:correct\s+|right\s+|answer\s+|final\s+){0,2}$"
)
EXPLORES = re.compile(
    r"\b(?:check\w*|try\w*|consider\w*|test\w*|for|look\w*|at|eliminat\w*|exclud\w*|not|unlike|than|compar\w*|rul\w*|discard\w*|reject\w*|between|in|under|with|and|or|plug\w*|about|of|on|from|if|does|is|was|either|take|case|see)\s*$"
)
LINE_END = re.compile(rf"{CLOSE}{{0,8}}[\s.!]{{0,8}}(?:$|\n)")
VERB_ENDING = re.compile(r"(?:ing|ed|es|e|s)?")
VALUE_STOP = re.compile(r"[.,;](?=\s|$)|\s[-–—(]|</|\}")
VALUE_LIST = re.compile(r"[,;]\s*(?:(?:or|and|maybe)\s+)?[$]?\d")
TAG_OPEN = re.compile(r"(?:[_ ]?answer|[_ ]?choice)?\s{0,3}[>\]]")
TAG_CLOSE = re.compile(r"<|\[/")
CONTENT = re.compile(
    rf"(?:{BRIDGE_TEXT}|\}}){{0,24}}+(?P<deny>(?:{_NOT})\b\s*)?(?P<letter>[a-j])(?!\w|['’^+*/](?!\*))"
)
OTHER_LETTERS = re.compile(r"(?<![A-Za-z0-9_'])([A-J])(?![A-Za-z0-9_'])")
ONLY_LETTERS = re.compile(r"(?:[\W_]|\b(?:or|and|option|either|both|[A-J])\b)*+", re.IGNORECASE)

# Labels of other languages; after them up to four short words may stand before an upper-case letter.
FOREIGN_ASCII = ("respuesta", "reponse", "risposta", "resposta", "antwort", "jawaban", "cevap", "svar", "vastaus", "odpoved", "antwoord", "raspuns", "valasz", "correcta", "correcte", "korrekt", "sagot", "jibu", "odpowied", "jawapan", "elijo", "corrett", "corret")  # fmt: skip
FOREIGN = ("réponse", "lösung", "答案", "选", "選", "正解", "答え", "答", "정답", "답", "ответ", "відповідь", "उत्तर", "जवाब", "الإجابة", "الجواب", "إجابة", "جواب", "پاسخ", "đáp án", "câu trả lời", "απάντηση", "תשובה", "คำตอบ", "yanıt", "cevabı", "odpowiedź", "odpověď", "odpoveď", "răspuns", "válasz", "উত্তর", "பதில்", "opção", "opción", "atsakymas", "svaret")  # fmt: skip
FOREIGN = tuple(unicodedata.normalize("NFKC", word) for word in FOREIGN)
FOREIGN_ANY = FOREIGN_ASCII + FOREIGN
ALNUM = re.compile(r"[^\W_]")
CROSSED = re.compile(r"[✗✘❌×]|\[ \]")
ANY_LIST = re.compile(r"(?<![\w'])[\"']?([A-J])[\"']?\s?[).:=]\s?\S")
FOREIGN_LETTER = re.compile(
    r"(?!项|項)[^A-Za-z0-9\n?]{0,12}\s{0,3}(?:(?![A-Z](?![^\W\d_]))[^\W\d_]{1,14}[^A-Za-z0-9\n?]{1,5}){0,4}?[^\w\n?]{0,6}(?:\\boxed\{|\\text\{){0,2}(?P<letter>[A-J])(?![A-Za-z0-9_]|'\w(?!ir|ır|ur|ür))"
)
FOREIGN_DENY = re.compile(
    r"\bno\s+es\b|\bnicht\b|n'est\s+pas|\bне\b|不|\bnon\s+è\b|\bnão\s+é\b|\bniet\b|\bnie\b|\bnu\b|아니|\bdeğil\b|không"
)
FOREIGN_UNREAL = re.compile(
    r"serait|sería|seria\b|wäre|sarebbe|będzie\s+by|可能|かも|была\s+бы|podría|pourrait|könnte|potrebbe"
)
FOREIGN_VALUE = re.compile(
    r"[^A-Za-z0-9\n?]{0,12}(?:[^\W\d_]{1,14}[^A-Za-z0-9\n?$]{1,4}){0,3}?(?P<value>[-$€£]?\d[^\n?]{0,40})"
)

TICKS = "✓✔✅☑🗸"
TICKED = re.compile(
    rf"(?<![\w'])([A-J])(?![\w'])[^\n{TICKS}✗✘❌×]{{0,60}}?(?:[{TICKS}]|\[[xX]\])|(?:[{TICKS}]|\[[xX]\])[\s*_(\[|:\-]{{0,6}}(?:[Oo]ption\s*|[Aa]nswer:?\s*)?([A-J])(?![\w'])"
)

BARE_LINE = re.compile(
    r"(?:[^\w\n?!]|_)*+(?:(?:so|thus|hence|therefore|imo|i\.?e|it\s+is|it's|its|that\s+is|is|ans|option|choice|letter|the|answer|correct|oa)\b(?:[^\w\n?]|_)*+){0,5}(?P<letter>[A-J])(?:[^\w\n?]|_)*+",
    re.IGNORECASE,
)
OWN_LINE = re.compile(
    r"(?:[^\w\n?$]|_)*+(?:(?:so|thus|hence|therefore|option|ans)\b[\s,:]*+)*+(?P<letter>[A-J])(?:[^\w\n$\\+.-]|_|[.](?!\d)|(?<=\s)-)++(?P<value>[^\n]{1,80})",
    re.IGNORECASE,
)
LABELLED = re.compile(r"(?:[^\w\n]|_){0,12}(?:[Oo]ption\s+)?[A-Ja-j](?:\s?[).:\]]|\s-)")
INLINE_LIST = re.compile(r"[\s(][A-J][).:]\s?\S")
_CONCLUDES = r"gives\s+us|so|So|hence|Hence|HENCE|thus|Thus|therefore|Therefore|imo|IMO|ans|Ans|option|Option"
LINE_TAIL = re.compile(
    rf"(?:(?:\b(?:{_CONCLUDES}|gives\s+us|giving\s+us|i\.?e|is|choice|then|giving|means|i\s+say|I\s+say|I\s+go\s+for)|->|=>|[→⇒∴>✓]|(?<=[\w)%°])[.;!]|(?<=\d)\s{{0,2}}[,=]|(?<=[a-z]):|--+|…|\.\.+)[\s*_,.:\-(\[]{{0,8}}|(?<=[\w)%.])\s{{0,3}}[(\[{{]|[\s][*_]{{1,3}})(?P<letter>[A-J])[)\]}}*_.!\s]*$"
)
VALUE_THEN_LETTER = re.compile(
    r"=\s{0,3}(?P<value>[-+$]?\d[\d.,/]{0,15}%?)\s{1,3}(?P<letter>[A-J])[.)\s]{0,3}$"
)  # "12 - 5 = 7 C"
CONCLUDES = re.compile(
    rf"(?:\b(?:{_CONCLUDES})(?:\s+(?:it|that|this)(?:'s|\s+is))?|\b(?:match(?:es)?|fits|works|one|choice)\s+is|=>|->|[→⇒∴])[\s*_,.:(\[]{{0,6}}$"
)
UNDECIDED = re.compile(r"(?:\bnot\b|\bor\b|n't|\band\b)[\s(]{0,3}$")
FIRST_LINE = re.compile(
    r"[\s*_(\[`\"'#>]*+(?P<letter>[A-J])(?:[)\]*_`\"'.:]*+[^\S\n]*+(?:\n|$)|[)\]*_`\"'.,:;]++\s+(?=(?:[Bb]ecause|[Ss]ince|[Aa]s|[Tt]he|[Tt]his|[Ee]xplanation|[Rr]eason|[Bb]y)\b)|\s+(?=(?:because|since|is the correct|is correct)\b))"
)
FIRST_OWN = re.compile(r"[\s*_(\[`\"'#>]*+(?P<letter>[A-J])[)\].:*]++[^\S\n]*+(?P<value>[^\n]{1,60})(?:\n|$)")
