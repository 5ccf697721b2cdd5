r"""Labels of other languages, and how these deny, suppose and hedge; for lowered text."""

import unicodedata

from ratchet.tasks.answers.phrases import any_of, compiled

# What leads to an upper-case letter, in its sentence.
LABELS: dict[str, tuple[str, ...]] = {
    "Spanish": (
        "respuesta",
        "es decir",
        "por lo tanto",
        "por tanto",
        "correcta",
        "elijo",
        "opción",
        "quedo con",
        "letra",
        "inciso",
        "alternativa",
    ),
    "French": ("réponse", "reponse", "correcte", "proposition", "choisis", "c'est donc", "c'est", "donc", "bonne"),
    "Italian": ("risposta", "corrett", "scelgo", "resta soltanto", "resta solo", "dunque", "opzione", "quindi"),
    "Portuguese": ("resposta", "por isso", "corret", "opção", "letra", "marco", "escolho", "alternativa"),
    "German": (
        "antwort",
        "korrekt",
        "lösung",
        "richtig",
        "bleibt",
        "möglichkeit",
        "nur noch",
        "stimmt",
        "somit",
        "wähle",
        "also",
        "option",
    ),
    "Dutch": ("antwoord", "dus", "kies", "juiste"),
    "Swedish, Danish, Norwegian": ("svar", "rätt", "riktig", "kvar blir", "alternativ", "därför", "alltså"),
    "Finnish": ("vastaus", "oikea", "vaihtoehto"),
    "Polish": ("odpowied", "wybieram", "poprawn", "zatem"),
    "Czech, Slovak": ("odpoved", "odpověď", "odpoveď", "správn"),
    "Romanian": ("raspuns", "răspuns", "corect"),
    "Hungarian": ("valasz", "válasz", "helyes"),
    "Lithuanian": ("atsakymas",),
    "Turkish": ("cevap", "cevabı", "yanıt", "seçenek", "doğru", "şık"),
    "Indonesian, Malay": ("jawaban", "jawapan", "pilihan", "jadi"),
    "Filipino": ("sagot",),
    "Swahili": ("jibu",),
    "Vietnamese": ("đáp án", "câu trả lời", "chọn", "phương án"),
    "Chinese": ("答案", "选", "選", "正确", "正確", "故", "应为", "應為"),
    "Japanese": ("正解", "答え", "答", "正しい", "したがって", "よって"),
    "Korean": ("정답", "답"),
    "Russian": ("ответ", "вариант", "правильн", "значит", "верн", "выбираю", "остаётся", "остается"),
    "Ukrainian": ("відповідь", "варіант"),
    "Greek": ("απάντηση", "σωστ", "επιλογή", "άρα"),
    "Hebrew": ("תשובה", "נכונה", "לכן"),
    "Arabic": ("الإجابة", "الجواب", "إجابة", "جواب", "الخيار", "الصحيح"),
    "Persian": ("پاسخ", "گزینه"),
    "Hindi": ("उत्तर", "जवाब", "विकल्प", "सही"),
    "Bengali": ("উত্তর",),
    "Tamil": ("பதில்",),
    "Thai": ("คำตอบ", "ตอบ", "ข้อ"),
}
# Those that name any option, chosen or not.
OPTIONS = (
    *("opción", "letra", "inciso", "alternativa", "proposition", "opzione", "opção", "option", "alternativ"),
    *("vaihtoehto", "seçenek", "şık", "pilihan", "phương án", "вариант", "варіант", "επιλογή", "الخيار", "گزینه"),
    *("विकल्प", "ข้อ", "möglichkeit"),
)
# The texts that are searched are in this form too.
ANY_LABEL = tuple(dict.fromkeys(unicodedata.normalize("NFKC", word) for words in LABELS.values() for word in words))
# Those that announce an answer, and not only name an option.
ANSWERS = tuple(label for label in ANY_LABEL if label not in OPTIONS)
# All that an ASCII sentence is searched for; some labels are words of other languages too.
ONLY_WITH_OTHERS = ("svaret", "atsakymas", "option", "also", "correct", "marco", "alternativ", "bonne")
ASCII_LABELS = tuple(label for label in ANY_LABEL if label.isascii() and label not in ONLY_WITH_OTHERS)

# Right before a label, or between it and the letter.
DENIES = compiled(
    any_of(
        *(
            r"\bno\s+es\b",
            r"\bno\s+la\b",
            r"\bnicht\b",
            r"n'est\s+pas",
            r"\bне\b",
            "不",
            r"\bnon\s+è\b",
            r"\bnão\s+é\b",
        ),
        *(
            r"\bniet\b",
            r"\bnie\b",
            r"\bnu\b",
            "không",
            "ليس",
            "لا ",
            "אינה",
            "אינו",
            r"\binte\b",
            r"\bikke\b",
            r"\bei\b",
        ),
        *(r"\bbukan\b", r"\bδεν\b", "ไม่", "scheidet", "écarte", "descart", "scart"),
    )
)
BUT = compiled("sondern|vielmehr|tylko|而是|ではなく|でなく|아니라|sino|mais |ma la|a nie|değil")
# After the letter.
DENIES_LATER = compiled(
    any_of(
        *(
            "아니",
            "아닙",
            "değil",
            "नहीं",
            "गलत",
            "ではな",
            "じゃな",
            "でない",
            "不对",
            "不正确",
            "错误",
            "不满足",
            "排除",
            "不是",
        ),
        *("ليست", "خاطئ", "אינה", "אינו", r"\bне\s", "неверен", "неверн", "ne convient pas", "est fausse", "scheidet"),
        *("ist falsch", "stimmt nicht", r"passt .{0,12}nicht", "ist nicht", "es incorrect", "no es", "è sbagliat"),
        *(r"errad[ao]", "är fel", "ไม่", r"sai\b", "salah"),
    )
)
UNREAL = compiled(
    any_of(
        *(
            "serait",
            "sería",
            r"seria\b",
            "wäre",
            "sarebbe",
            r"będzie\s+by",
            "可能",
            "かも",
            r"была\s+бы",
            "podría",
            "puede",
        ),
        *(
            "pourrait",
            "könnte",
            "potrebbe",
            "fosse",
            "pensei que",
            r"\bесли\b",
            "может",
            "以为",
            "误选",
            "有人",
            "قد تكون",
        ),
        *("قد يكون", r"\bwenn\b", r"\bsi\b", "có thể", "peut être", "もし", "如果", "만약"),
    )
)
# Where a clause ends, before which another one may be denied.
CLAUSE = compiled("[,;，；、。]")
# A condition holds for its whole sentence, anything else for its clause.
CONDITION = compiled(
    any_of(r"\bесли\b", r"\bwenn\b", r"\bsi\b", "もし", "如果", "만약", r"\bse\b(?= a resposta)", "falls"),
)
# A second letter beside the first.
HEDGES = compiled(
    r"[\s)]*",
    any_of(
        *(
            "oder",
            "ou",
            "o",
            "oppure",
            "или",
            "або",
            "atau",
            "veya",
            "또는",
            "或者?",
            "または",
            "أو",
            "या",
            "หรือ",
            "hoặc",
        ),
        *(
            "lub",
            "albo",
            "of",
            "eller",
            "tai",
            "vagy",
            "sau",
            "ή",
            "או",
            "и",
            "y",
            "e",
            "et",
            "und",
            "和",
            "と",
            "및",
            "ve",
        ),
        *("i", "en", "och", "dan", "và", "และ", "ja", "और", "و", "或", "か", "、", ","),
    ),
    r"\s*\(?(?P<other>[a-j])(?![a-z])",
)
# What follows a letter that closes its sentence.
CLOSES = compiled(
    any_of(
        r"[)\]]*\s*(?:\Z|[.!\n。！।۔])",
        r"\s*[,;，；、]",
        r"[\s)\]」』”»）]*"
        + any_of(
            *(
                "です",
                "である",
                r"だ(?!と)",
                "とな",
                "にな",
                r"の(?=[^。]{0,12}(?:です|になり|。))",
                "を選",
                "が正",
                "が適",
            ),
            *(
                "입니다",
                "이다",
                "번",
                "예요",
                "है",
                "होगा",
                "सही",
                "项",
                "項",
                "选项",
                "，",
                r"'?\w*d[iıuü]r\b",
                "seçeneği doğru",
                "şıkkı doğru",
                "qu'il faut",
                "درست",
                "صحیح",
            ),
            *(r"ist (?:richtig|korrekt)", "é a correta", r"es (?:la )?correct", r"est (?:la )?(?:bonne|correct)"),
            *(
                "è corrett",
                r"верен\b",
                r"верн",
                "doğru",
                "är rätt",
                "on oikea",
                "is juist",
                "jest poprawn",
                "in frage",
            ),
        ),
    )
)
# ... or goes on to explain.
EXPLAINS = compiled(r"[\s)\]]*[:—–(（]")
