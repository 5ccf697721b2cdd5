r"""The words with which a text takes an answer back, replaces it, or confirms it after all; by language."""

from ratchet.tasks.answers.phrases import any_of, any_phrase, compiled

# Between two answers: the second replaces the first.
REPLACING = (
    "wait",
    "actually",
    "correction",
    "correct(?:ing|ed)",
    "oops",
    "sorry",
    "scratch",
    "i mean[t]?",
    "rather",
    "instead",
    "on second thought",
    "mistake[n]?",
    "mis(?:read|calculated|counted)",
    "wrong",
    "incorrect",
    "error",
    "not right",
    "hmm+",
    "no[,.;:!—–-]",
    "no wait",
    "revis(?:e|ed|ing)",
    r"re-?(?:check|calculat|comput|consider|do|think|read)\w*",
    r"double-?check\w*",
    r"let me (?:re|fix|correct|try|start)\w*",
    r"apolog\w+",
    r"never\s*mind",
    "changed? (?:my|the)",
    "updated?",
    "strike",
    r"withdraw\w*",
    r"retract\w*",
    "disregard",
    "ignore (?:that|the above|my)",
)
REPLACING_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "Chinese": ("更正", "不对", "等等", "错了"),
    "Japanese": ("間違", "いや"),
    "Spanish": ("perd[óo]n", "espera", "me equivo", "corrijo"),
    "German": ("nein", "falsch", "moment", "irrtum", "warte"),
    "French": ("attende[zs]", "je me trompe", "erreur"),
    "Russian": ("подожд", "ошиб"),
    "Portuguese": ("errado",),
    "Italian": ("scusa", "aspetta", "sbagliato"),
}
STRUCK_THROUGH = "~~"
# "if ...", "alternatively": the second answer stands beside the first
BESIDE = ("if", "alternatively", "otherwise")

# After the last answer: it no longer counts.
WITHDRAWING = (
    r"(?:that|this|it|which|my answer|the answer|answer)"
    r"(?:\s+(?:is|was|can|seems|looks|must be|may be|might be)|'s)\s*"
    r"(?:not|n't|wrong|incorrect|false|a mistake|an error|mistaken|invalid|impossible)",
    r"that (?:isn't|wasn't|can't|doesn't|cannot|does not)\b",
    r"not (?:right|correct)\b",
    "scratch that",
    r"never\s*mind",
    "strike that",
    r"i (?:take|withdraw|retract)\b",
    "ignore (?:that|the above|my|this)",
    "disregard",
    r"i (?:do not|don't|dont|am not|can't|cannot) (?:really )?"
    r"(?:know|sure|tell|decide|say|determine|stand|answer|be sure)",
    r"i'm not sure",
    r"none of "
    r"(?:them|that|it|(?:the|these|those) (?:options?|choices?|answers?)?\s*(?:is|are|fit|match|work)\w*)",
    "(?:but|though) i could be wrong",
    "made (?:a|an) (?:mistake|error)",
    "no answer",
    "withdrawn",
    "retracted",
    "there is no correct",
    "cannot be determined",
    "on second thoughts?",
    r"let me (?:re\w+|start over|try again|think again)",
)
HESITATING = (
    "wait",
    "hmm+",
    "oops",
    "actually no",
    "no wait",
    "hold on",
)
WITHDRAWING_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "Spanish": ("está mal", r"no s[ée]\b"),
    "German": ("weiß nicht",),
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
    "yes",
    "confirmed",
    "confirms",
    "stands",
    r"checks\s+out",
    r"that's\s+(?:right|correct)",
    r"is\s+correct",
    "still",
    "consistent",
    "holds",
    "same",
    "good",
)


def _of_all(by_language: dict[str, tuple[str, ...]]) -> list[str]:
    return [phrase for phrases in by_language.values() for phrase in phrases]


REPLACES = compiled(
    any_phrase(rf"\b{any_phrase(*REPLACING)}", *_of_all(REPLACING_ELSEWHERE), STRUCK_THROUGH),
    ignore_case=True,
)
STANDS_BESIDE = compiled(r"\b", any_of(*BESIDE), r"\b", ignore_case=True)
WITHDRAWN = compiled(
    any_phrase(
        rf"\b{any_phrase(*WITHDRAWING)}",
        rf"\b{any_phrase(*HESITATING)}\b",
        *_of_all(WITHDRAWING_ELSEWHERE),
    ),
    ignore_case=True,
)
CONFIRMED = compiled(
    r"(?<!not )(?<!n't )\b",  # "not confirmed"
    any_of(*CONFIRMING),
    r"\b",
    ignore_case=True,
)
