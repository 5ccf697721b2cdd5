r"""The words with which a text corrects its answer, takes it back, or confirms it after all; for lowered text."""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled

FINAL = "final answer"
# Between two answers: the second replaces the first.
CORRECTING = (
    *("wait", "actually", r"correct(?:ion|ing|ed)", "oops", "sorry", "pardon", "scratch", r"i mea(?:n|nt)", "meant"),
    *("rather", "instead", r"on (?:second thoughts?|reflection)", "after checking", "typo", "hold on", r"hmm+"),
    *(r"mis(?:read|calculated|counted|take|takenly|typed)", "wrong", "incorrect", "not right", r"revis(?:e|ed|ing)"),
    *(r"re-?(?:check|calculat|comput|consider|do|think|read|examin)\w*", r"double-?check\w*", "let me verify"),
    *(r"let me (?:re|fix|correct|try|start|check)\w*", r"apolog\w+", "never mind", r"chang(?:ed?|ing) (?:my|the|to)"),
    *("edit", r"updated?", "strike that", r"withdraw(?:n|ing|s)?", r"retract(?:ed|ing)?", "disregard", "kidding"),
    *(
        r"ignore (?:that|the|my|this)",
        "take (?:it|that|this) back",
        "in fact",
        "however",
        "make that",
        FINAL,
        r"errors?",
        "better",
        "no longer",
        r"replace\w*",
    ),
    *("should be", "should have been", "overlooked", "forgot"),
)
# Before the first of two answers, or beside it: it was not the last word.
PROVISIONAL = ("preliminary", "draft", "at first", "initially")
CORRECTING_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "Chinese": ("更正", "不对", "等等", "错了", "抱歉", "修正", "纠正"),
    "Japanese": ("間違", "いや", "訂正", "すみません"),
    "Korean": ("아니,", "정정", "죄송", "잠깐"),
    "Spanish": ("perd[óo]n", "espera", "me equivo", "corrijo", "corrección", "mejor dicho"),
    "German": ("nein", "falsch", "moment", "irrtum", "warte", "vielmehr", "sondern", "korrektur", "entschuldig"),
    "French": ("attende[zs]", "je me trompe", "erreur", "voulais dire", "pardon", "plutôt"),
    "Russian": ("подожд", "ошиб", "нет,", "исправл", "извин", "точнее"),
    "Ukrainian": ("вибач", "помил", "ні,"),
    "Portuguese": ("errado", "desculp", "corrijo", "aliás"),
    "Italian": ("scusa", "aspetta", "sbagliato", "anzi", "correggo"),
    "Polish": ("tylko", "przepraszam", "pomyli"),
    "Czech": ("promiň", "spletl"),
    "Dutch": ("vergis me", "nee,"),
    "Swedish, Danish, Norwegian": ("förlåt", "nej,", "nei,", "beklager", "undskyld"),
    "Finnish": ("anteeksi", "korja"),
    "Turkish": ("hayır", "özür", "düzelt"),
    "Indonesian": ("maaf", "ralat"),
    "Vietnamese": ("xin lỗi", "nhầm", "sửa lại"),
    "Arabic": ("عفو", "تصحيح", "آسف"),
    "Hindi": ("माफ", "गलती"),
    "Greek": ("συγγνώμη", "λάθος"),
    "Hebrew": ("סליחה", "טעיתי", "תיקון"),
    "Thai": ("ขอโทษ", "แก้ไข"),
    "Hungarian": ("bocsánat", "elnézést"),
    "Romanian": ("scuze", "corectez"),
}
# "if ...", "alternatively": the second answer stands beside the first
STANDS_BESIDE = compiled(r"\b(?:if|alternatively|otherwise|or maybe)\b(?! i )")

# After the last answer: it no longer counts.
_IT = any_of(
    *("that", "this", "it", "which", "my answer", "the answer", "answer", "the above", "my choice", "that one"),
    *("that answer", "this answer", "my letter"),
)
_HARMLESS = (
    r"(?!\s+(?:affect|chang|surpris|matter|need|a problem|hard|difficult|only|just|listed|in the list|what|part of"
    r"|relevant|asked"
    r"|the (?:smallest|largest)))"
)
WITHDRAWING = (
    rf"\b{_IT}(?:'s|\s+(?:is|was|can|could|seems|looks|must be|may be|might be|does|did|cannot|will|should))\s*"
    rf"(?:all\s+|simply\s+|probably\s+|just\s+|also\s+)?(?:(?:n't|not|never)\b{_HARMLESS}|"
    r"(?:wrong|incorrect)\b(?!\s+to)|"
    r"false\b|mistaken|invalid|impossible|a mistake|an error|a lie|a joke|a placeholder|not)",
    rf"\b{_IT}\s+(?:isn't|wasn't|can't|doesn't|cannot|couldn't|won't)\b{_HARMLESS}",
    r"(?:\A|[.!?\n;]|\bsorry,?)\s*(?:no[,.!—–-]*\s*)?(?:that's |that is |this is )?"
    r"(?:not right|not correct|wrong|incorrect|nope)\s*[.!\n]",
    *(r"\bscratch that\b", r"\bnever\s?mind\b(?!\s+(?:the|that))", r"\bstrike that\b", r"\bkidding\b", r"\bi lied\b"),
    *(r"\b(?:a|just a) joke\b", r"\bapril fools\b", r"\bnope\b", r"\bor so i thought\b", r"\bpsych\b", r"\^ not\b"),
    r"\b(?:i|i'll|to|must|let me)\s+(?:hereby\s+)?(?:take|withdraw|retract)\s+(?:"
    r"(?:it|that|this|my answer|the answer|everything)(?:\s+answer)?\s+back\b|back\b|(?:my|this|that|the)\s+"
    r"(?:answer|choice)\b)",
    *(r"\bwithdrawn\b", r"\bretracted\b", r"\b(?:not as|count this as) my answer\b"),
    r"\b(?:ignore|disregard|forget|don't count|do not count|don't grade|discard|delete)\s+(?:that|this|it|"
    r"the letter|the above|the answer|my (?:last |previous )?(?:answer|choice|letter)|everything above|what i)\b"
    r"(?!\s+(?:draft|part|option))",
    r"\bi (?:do not|don't|dont|am not|can't|cannot|could not|couldn't) (?:really |actually )?(?:know|sure|tell|decide|"
    r"say which|determine|stand by|be sure|settle|commit|choose|answer)\b"
    r"(?!\s+(?:how|why|but|whether the author|it (?:was|is)|about the (?:last|first)))",
    r"\bi'm not (?:at all )?sure(?: (?:about|of) (?:it|this|that))?\s*(?:[.!\n]|\Z)",
    *(
        r"\bi refuse\b",
        r"\blet me not\b",
        r"\bi(?:'d| would) rather not\b",
        r"\bi won't (?:commit|answer|choose)\b",
        r"\bgo(?:ing)? back and forth\b",
    ),
    r"\bnone of (?:them|that|it|the above|(?:the|these|those) (?:options?|choices?|answers?|letters?))\b",
    *(r"\bthere is no (?:correct|right)\b", r"\bno answer\b", r"\bcannot (?:be determined|settle)\b"),
    r"\bi (?:was|am|must be|must have been|may be|could be|might be) (?:wrong|mistaken)\b",
    *(r"\bmade (?:a|an) (?:mistake|error|slip)\b", r"\bcontains an error\b", r"\b(?:start|starting) over\b"),
    r"\bon second thoughts?\b",
    r"\blet me (?:re(?:think|consider|do|start|check|calculate|compute|read)|start over|try again|think again)\b",
    r"(?:\A|[.!?\n]\s*)(?:wait|hmm+|oops|hold on|actually,? no|no,? wait)\b",
)
WITHDRAWING_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "Spanish": ("está mal", r"no (?:lo )?s[ée]\b", "mentira"),
    "German": ("weiß nicht", "vergiss", "quatsch", "scherz"),
    "French": ("je ne sais pas",),
    "Russian": ("не знаю",),
    "Portuguese": ("não sei",),
    "Italian": ("non lo so",),
    "Chinese": ("不对", "不知道", "不确定"),
    "Japanese": ("わかりません",),
    "Korean": ("모르겠",),
}
# After that: it counts all the same.
CONFIRMING = (
    *("yes", "confirmed", "confirms", "stands", r"checks\s+out", r"that's\s+(?:right|correct)", r"is\s+correct"),
    *("still", "consistent", "holds", "same", "good", "not affected", "unaffected", "no change"),
)


def _of_all(by_language: dict[str, tuple[str, ...]]) -> list[str]:
    return [phrase for phrases in by_language.values() for phrase in phrases]


CORRECTS = compiled(
    any_of(
        rf"\b{any_phrase(*CORRECTING, *PROVISIONAL)}\b",
        r"(?:\A|[.,!?\n(—–-])\s*no[\s,.;:!—–-]",
        *_of_all(CORRECTING_ELSEWHERE),
        "~~",
    )
)
CORRECTS_ELSEWHERE = compiled(any_of(*_of_all(CORRECTING_ELSEWHERE)), r"[^.!?\n]{0,40}\Z")
WITHDRAWS = compiled(any_of(*WITHDRAWING, *_of_all(WITHDRAWING_ELSEWHERE)))
CONFIRMS = compiled(r"(?<!not )(?<!n't )\b", any_of(*CONFIRMING), r"\b")  # not after "not confirmed"
