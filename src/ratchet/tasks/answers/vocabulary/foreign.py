r"""Labels of other languages, and how these deny and hedge."""

import unicodedata

from ratchet.tasks.answers.phrases import any_of, compiled

# Labels, lowered.
LABELS: dict[str, tuple[str, ...]] = {
    "Spanish": ("respuesta", "correcta", "elijo", "opción"),
    "French": ("réponse", "reponse", "correcte"),
    "Italian": ("risposta", "corrett"),
    "Portuguese": ("resposta", "corret", "opção"),
    "German": ("antwort", "korrekt", "lösung"),
    "Dutch": ("antwoord",),
    "Swedish, Danish, Norwegian": ("svar", "svaret"),
    "Finnish": ("vastaus",),
    "Polish": ("odpowied", "odpowiedź"),
    "Czech, Slovak": ("odpoved", "odpověď", "odpoveď"),
    "Romanian": ("raspuns", "răspuns"),
    "Hungarian": ("valasz", "válasz"),
    "Lithuanian": ("atsakymas",),
    "Turkish": ("cevap", "cevabı", "yanıt"),
    "Indonesian, Malay": ("jawaban", "jawapan"),
    "Filipino": ("sagot",),
    "Swahili": ("jibu",),
    "Vietnamese": ("đáp án", "câu trả lời"),
    "Chinese": ("答案", "选", "選"),
    "Japanese": ("正解", "答え", "答"),
    "Korean": ("정답", "답"),
    "Russian": ("ответ",),
    "Ukrainian": ("відповідь",),
    "Greek": ("απάντηση",),
    "Hebrew": ("תשובה",),
    "Arabic": ("الإجابة", "الجواب", "إجابة", "جواب"),
    "Persian": ("پاسخ",),
    "Hindi": ("उत्तर", "जवाब"),
    "Bengali": ("উত্তর",),
    "Tamil": ("பதில்",),
    "Thai": ("คำตอบ",),
}
# The texts that are searched are in this form too.
ANY_LABEL = tuple(unicodedata.normalize("NFKC", label) for labels in LABELS.values() for label in labels)
# All that an ASCII text is searched for; two labels count only in a text that has letters of the language elsewhere.
ONLY_WITH_OTHERS = ("svaret", "atsakymas")
ASCII_LABELS = tuple(label for label in ANY_LABEL if label.isascii() and label not in ONLY_WITH_OTHERS)

# Up to four short words may stand between the label and an upper-case letter.
LETTER = compiled(
    r"(?!项|項)",  # "选项": "option", which chooses nothing
    r"[^A-Za-z0-9\n?]{0,12}\s{0,3}",
    r"(?:(?![A-Z](?![^\W\d_]))[^\W\d_]{1,14}[^A-Za-z0-9\n?]{1,5}){0,4}?",
    r"[^\w\n?]{0,6}(?:\\boxed\{|\\text\{){0,2}",
    r"(?P<letter>[A-J])(?![A-Za-z0-9_]|'\w(?!ir|ır|ur|ür))",  # Turkish "C'dir"
)
VALUE = compiled(
    r"[^A-Za-z0-9\n?]{0,12}(?:[^\W\d_]{1,14}[^A-Za-z0-9\n?$]{1,4}){0,3}?",
    r"(?P<value>[-$€£]?\d[^\n?]{0,40})",
)
DENIES = compiled(
    any_of(
        r"\bno\s+es\b",  # Spanish
        r"\bnicht\b",  # German
        r"n'est\s+pas",  # French
        r"\bне\b",  # Russian
        r"不",  # Chinese
        r"\bnon\s+è\b",  # Italian
        r"\bnão\s+é\b",  # Portuguese
        r"\bniet\b",  # Dutch
        r"\bnie\b",  # Polish
        r"\bnu\b",  # Romanian
        r"아니",  # Korean
        r"\bdeğil\b",  # Turkish
        r"không",  # Vietnamese
    )
)
UNREAL = compiled(
    any_of(
        r"serait",  # French
        r"sería",  # Spanish
        r"seria\b",  # Portuguese
        r"wäre",  # German
        r"sarebbe",  # Italian
        r"będzie\s+by",  # Polish
        r"可能",  # Chinese
        r"かも",  # Japanese
        r"была\s+бы",  # Russian
        r"podría",  # Spanish
        r"pourrait",  # French
        r"könnte",  # German
        r"potrebbe",  # Italian
    )
)
