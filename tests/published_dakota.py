"""Dakota rows as they are published, for the tests of their cleaning."""

from ratchet.tasks.dakota.cleaning import clean


def published(prompt, answer, kind="word_translation", **info):
    return {
        "prompt": prompt,
        "answer": answer,
        "info": {"task_type": kind, "rule_id": "grammar_p1_r1", "difficulty": "easy", **info},
    }


def cleaned(*rows):
    return clean((f"file:{i}", row) for i, row in enumerate(rows, start=1))


def translated(dakota, gold, gloss=None, **info):
    prompt = f"Translate this Dakota sentence to English:\n\n{dakota}" + (f"\n\nGloss: {gloss}" if gloss else "")
    return published(prompt, gold, dakota_text=dakota, **info)
