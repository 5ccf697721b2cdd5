"""Which words a completion commits to: cases with a word on why, and properties over generated text."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.tasks import read_written_answer

GOLD = "we bring"
COMMITTED = {
    "bare": "we bring",
    "sentence": "Putting the two pieces together, I would say the translation is **We bring**.",
    "colon": "Hence: we bring",
    "bold heading": "**Final Answer**\n\n**we bring**",
    "heading": "### Answer\nwe bring",
    "box": "So \\boxed{\\text{we bring}} it is.",
    "nested LaTeX": "$\\boxed{\\mathbf{\\text{we bring}}}$",
    "LaTeX blank": "\\boxed{we\\ bring}",
    "stock ending": "Final Answer: The final answer is $\\boxed{we bring}$. I hope it is correct.",
    "tag over lines": "<answer>\n  we bring\n</answer>",
    "tag mentioned first": "The answer goes in <answer> tags.\n<answer>we bring</answer>",
    "JSON": '{"answer": "we bring"}',
    "working shown": "Final answer: uŋ- + kaupi = we bring",
    "lead-in after the label": 'Answer: The English translation is "we bring".',
    "courtesy": "we bring\n\nI hope this helps!",
    "labelled, then explained": "**Translation:** we bring\n\n**Breakdown:**\n- uŋ- : we\n- -pi : plural",
    "instruction repeated": 'I should end with "Final answer: ...".\nFinal answer: we bring',
    "label looked for": "Let's find the answer:\n\nuŋ- means we.\n\nFinal answer: we bring",
    "described first": "The answer is a first-person plural verb.\nFinal answer: we bring",
    "said twice": 'Final answer: "we bring".\nTherefore the answer is "we bring" as required.',
    "explained after": "Final answer: we bring\n\n(It is not the dual, and I'm not sure about the dialect.)",
    "question restated": "Sure!\n\nQuestion: Translate uŋkaupi.\n\nFinal answer: we bring",
    "corrected": "\\boxed{they bring}\nWait, that is wrong.\n\\boxed{we bring}",
    "thinking apart": "<think>Is it they bring? Final answer: they bring</think>\nwe bring",
    "run-on": "Final answer: we bring\n\nQuestion: Translate mani.\nFinal answer: he walks",
    "long explanation": "Final answer: we bring" + "\nThe -pi marks the plural." * 400,
    "said before answering": "Before I answer: kau alone is to bring.\n\nFinal answer: we bring",
    "imagined": "If it were -ya, the answer would be they bring. But it is -pi.\nFinal answer: we bring",
    "instead of": "I say \\boxed{we bring} instead of \\boxed{they bring}.",
}
NOT_COMMITTED = {
    "nothing": "",
    "empty box": "\\boxed{}",
    "denied box": "It is not \\boxed{we bring}.",
    "doubted": 'I doubt it means "we bring".',
    "wrong answer": "Wrong answer: we bring",
    "guesses in a row": "they bring / I bring / he brings: we bring",
    "list of candidates": "- they bring\n- I bring\n- we bring",
    "hedge before": "It is they bring, I bring, or:\nwe bring",
    "two labels": "Translation: they bring\nTranslation: we bring",
    "two boxes": "\\boxed{they bring} \\boxed{we bring}",
    "box and line": "Final answer: they bring\n\\boxed{we bring}",
    "hedge after": "\\boxed{we bring} or they bring",
    "alternative below": "Final answer: we bring\nAlternatively: they bring",
    "taken back": "Final answer: we bring\n\nActually it is they bring.",
    "taken back far below": "Final answer: we bring\n" + "blah " * 120 + "\nThat is wrong.",
    "too long to be one": "\\boxed{" + "they bring, " * 70 + "}\n\\boxed{we bring}",
    "conditional correction": "\\boxed{they bring}\n\nShould that be wrong: \\boxed{we bring}",
    "next question": "Final answer: they bring\n\nQuestion: and this one?\nFinal answer: we bring",
    "unfinished thinking": "<think>\nFinal answer: we bring",
    "buried": "I remember the gold form we bring from the book. I will not commit to a form.",
    "candidates below": "Final answer:\nwe bring\nthey bring\nI bring",
    "two that are said to be fine": "Two translations suggest themselves:\n\nthey bring\nwe bring",
    "reconsidered": "Final answer: we bring\n\nOn reflection this cannot hold.",
    "two on one line": "Final answer: they bring Final answer: we bring",
    "a line that goes on to a box": "Final answer: they bring \\boxed{we bring}",
    "said, then labelled": "The answer is they bring.\nFinal answer: we bring",
    "more than the answer": "Final answer: we bring they bring",
}


@pytest.mark.parametrize("text", COMMITTED.values(), ids=COMMITTED)
def test_the_committed_answer_is_read(text):
    assert (read_written_answer(text) or "").lower() == GOLD


@pytest.mark.parametrize("text", NOT_COMMITTED.values(), ids=NOT_COMMITTED)
def test_what_is_not_committed_to_is_not_read(text):
    assert (read_written_answer(text) or "").lower() != GOLD


PIECES = [
    "\\boxed{",
    "<answer>",
    "{",
    "answer:",
    ":",
    "answer is ",
    "a: ",
    "Question: x\n",
    "*",
    '"a" is ',
    "no ",
    "or ",
    "-> ",
    "answer: a\n",
    "= ",
    "we, ",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_hundred_thousand_characters_take_no_longer_than_their_number_says(piece):
    def seconds(length):
        text = (piece * (length // len(piece) + 1))[:length]
        return min(_timed(text) for _ in range(3))

    assert seconds(100_000) < 30 * seconds(10_000) + 0.05


def _timed(text):
    start = time.perf_counter()
    read_written_answer(text)
    return time.perf_counter() - start


LOUD = st.sampled_from(
    [
        *COMMITTED.values(),
        *NOT_COMMITTED.values(),
        *PIECES,
        "\\boxed{",
        "}",
        "\n",
        "Final answer: ",
        "**",
        "wait, no",
        "“",
        "ŋ",
        "\u0301",
        "\0",
    ]
)


@given(st.lists(LOUD | st.text(max_size=20), max_size=12))
@settings(max_examples=300, deadline=None)
def test_no_text_raises(parts):
    answer = read_written_answer("".join(parts))
    assert answer is None or answer.strip()


@given(st.sampled_from([None, 3, b"x", ["a"], {}]))
def test_what_is_no_text_has_no_answer(value):
    assert read_written_answer(value) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Answer: kakiyuza\nIn other contexts it could also mean something.", "kakiyuza"),
        ("Answer: wí\nIt may also be heard as a greeting.", "wí"),
        ("Final answer: wí\nMy other answer: haŋwí", None),
        ("Answer: wí. Also accept: aŋpétu, haŋwí.", None),
        ("Answer: wí\nIt could also be haŋwí.", None),
        ("Answer: 'don't'", "don't"),
        ("Answer: ‘the dog’s tail’", "the dog’s tail"),
        ('Answer: "k\'á"', "k'á"),
        ("The answer is ptéčela, because čela makes it small.", "ptéčela"),
        ('The word for "tree" is čhaŋ.', "čhaŋ"),
        ("Answer: 14. No, that can't be, as the sum has to be odd.", None),
    ],
)
def test_what_is_said_after_an_answer_takes_it_back_only_where_it_says_so(text, answer):
    assert read_written_answer(text) == answer
