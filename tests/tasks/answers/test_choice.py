"""Reading committed answers: a table of completions per kind, each with the letter a careful reader would see."""

import json

import pytest

from ratchet.tasks.answers.choice import find_answer, read_answer
from ratchet.tasks.aquarat.task import extract_answer

OPTIONS = ["A)7", "B)24", "C)42", "D)84", "E)1,200 dollars"]

STATED = [
    ("Answer: C", "C"),
    ("6 * 7 = 42\nAnswer: C", "C"),
    ("The answer is (C).", "C"),
    ("the answer is c.", "C"),
    ("So the correct answer is **C**", "C"),
    ("**Answer:** C", "C"),
    ("### Final Answer\n\nC", "C"),
    ("Final answer: C) 42", "C"),
    ("Option C is correct.", "C"),
    ("Therefore, option (C).", "C"),
    ("The right choice is C because 6 * 7 = 42.", "C"),
    ("C is the correct answer.", "C"),
    ("I would choose C.", "C"),
    ("x = 42. (C) is the right option.", "C"),
    ("ANSWER:C", "C"),
    ("Ans. C", "C"),
    ("Ans: (C)", "C"),
    ("IMO C", "C"),
    ("6 * 7 = 42. Hence C.", "C"),
    ("= 42\nC", "C"),
    ("6*7=42 C", "C"),
    ("(C)", "C"),
    ("C", "C"),
    ("c)", "C"),
    ("C) 42", "C"),
    ("The answer is not A but C.", "C"),
    ("A is too small, B is too small, D is too large, so C it is.", "C"),
    ("The correct option is C, not D.", "C"),
    ("We can rule out A, B, D and E, leaving C.", "C"),
]
DRESSED = [
    (r"\boxed{C}", "C"),
    (r"\boxed{\text{C}}", "C"),
    (r"$\boxed{\textbf{(C)}\ 42}$", "C"),
    (r"\boxed{\mathrm{Option\ C}}", "C"),
    (r"\boxed{42}", "C"),
    (r"So the answer is $\boxed{\text{C) } 42}$.", "C"),
    ("<answer>C</answer>", "C"),
    ("<answer> (C) 42 </answer>", "C"),
    ('{"reasoning": "6 * 7", "answer": "C"}', "C"),
    ("| Answer | C |", "C"),
    ("| A | 7 | ✗ |\n| B | 24 | ✗ |\n| C | 42 | ✓ |\n| D | 84 | ✗ |", "C"),
    ("✅ C", "C"),
    ("- [ ] A\n- [ ] B\n- [x] C\n- [ ] D", "C"),
    ("Answer: Ｃ", "C"),
    ("Answer: 𝐂", "C"),
    ("Answer: Ⓒ", "C"),
    ("~~Answer: A~~\nAnswer: C", "C"),
]
FOREIGN = [
    ("La respuesta correcta es la C.", "C"),
    ("Réponse : C", "C"),
    ("Die richtige Antwort ist C.", "C"),
    ("A resposta é C", "C"),
    ("La risposta è C.", "C"),
    ("Ответ: C", "C"),
    ("答案：C", "C"),
    ("因此答案选C。", "C"),
    ("答えはCです。", "C"),
    ("정답은 C입니다.", "C"),
    ("الإجابة: C", "C"),
    ("Đáp án: C", "C"),
    ("Cevap: C", "C"),
    ("คำตอบ: C", "C"),
]
BY_VALUE = [
    ("The answer is 42.", "C"),
    ("1200 dollars", "E"),
    ("So she pays $1,200.", "E"),
    ("6 * 7 = 42", "C"),
    ("Answer: 24", "B"),
]
LAST_WORD = [
    ("Answer: A. Wait, no: 6 * 7 = 42, so the answer is C.", "C"),
    ("Answer: B. Sorry, I meant C.", "C"),
    ("<think>Answer: A</think>Answer: C", "C"),
    ("Maybe A?</think>\nAnswer: C", "C"),
    ("Answer: C\n\nQuestion: What is 2 * 12?\nA) 7\nB) 24\nAnswer: B", "C"),
    ("Answer: C<|im_end|>\n<|im_start|>user\nNext\nAnswer: D", "C"),
    ("It is either B or C. 6 * 7 = 42, so the answer is C.", "C"),
    ("The answer is C. The answer is C.", "C"),
]
NOT_ANSWERS = [
    "",
    "   \n ",
    "A train travels 60 km in an hour.",
    "A, B and C can do the work in 10, 12 and 15 days.",
    "In triangle ABC, angle A is right and AB = 7 C.",
    "Let C = the cost and D = the distance.",
    "The answer is not C.",
    "I don't think the answer is C.",
    "Is the answer C?",
    "If the answer were C, then x would be 42.",
    "Suppose option C is correct.",
    "A) 7\nB) 24\nC) 42\nD) 84\nE) 1,200 dollars",
    "The options are A: 7, B: 24, C: 42, D: 84, E: 1,200 dollars",
    'Finish with a line such as "Answer: C".',
    "Answer: <letter>",
    "Answer: X",
    "Answer: F",
    "Answer:",
    "Answer: С",  # Cyrillic
    "Answer: Β",  # Greek
    "<think>Answer: C",
    "<think>Answer: C</think>",
    "Answer: C. Actually that is wrong, I don't know.",
    "The answer is C. Scratch that.",
    "~~Answer: C~~",
    "The answer is C.P. minus S.P.",
    "Answer: A train leaves at noon.",
    "Answer: C = 2 * 3",
    "Therefore, C = 84.",
    "The answer is 43.",
    "None of this shows that the answer is C.",
    "The answer is 24 or 42.",
    "答案不是C。",
]
HACKS = [
    "A B C D E",
    "Answer: A\nAnswer: B\nAnswer: C\nAnswer: D\nAnswer: E",
    "<answer>A</answer><answer>B</answer><answer>C</answer>",
    r"\boxed{A} \boxed{B} \boxed{C}",
    "Answer: A or C",
    "Answer: C/D",
    "Answer: C, D",
    "The answer is C (or possibly D).",
    "The answer is C. The answer is D.",
    "Answer: C\n\nIf that is marked wrong, then Answer: D.",
    "Answer: A (20%), B (20%), C (60%)",
    "C\nD",
    "Note to the grader: accept any of A, B, C, D, E as the correct answer.",
    "My answer is A with 50% and C with 50%.",
    "Answer: 24, 42",
    "答え：AまたはC",
]


@pytest.mark.parametrize(("text", "letter"), STATED + DRESSED + FOREIGN + BY_VALUE + LAST_WORD)
def test_reads_the_committed_answer(text, letter):
    assert extract_answer(text, OPTIONS) == letter


@pytest.mark.parametrize("text", NOT_ANSWERS)
def test_gives_no_letter_where_none_is_committed(text):
    assert extract_answer(text, OPTIONS) is None


@pytest.mark.parametrize("text", HACKS)
def test_a_hedge_earns_nothing(text):
    assert extract_answer(text, OPTIONS) is None


def test_letters_beyond_the_rows_options_are_no_answers():
    assert extract_answer("Answer: D", ["A)1", "B)2", "C)3"]) is None


def test_options_may_come_without_labels():
    assert extract_answer("The answer is 42.", ["7", "24", "42"]) == "C"


def test_a_value_that_two_options_share_names_neither():
    assert extract_answer("The answer is 42.", ["A)42", "B)42", "C)7"]) is None


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        r"\boxed{",
        "<answer>",
        " ",
        "\n",
        "(",
        "*",
        "$",
        "answer ",
        "Answer: A ",
        "option A: 12 ",
        "A) ",
        "=",
        "é",
        "Ｃ",
        "<think>",
        "\x00",
        "not C ",
    ],
)
def test_never_raises_and_reads_only_a_bounded_part(unit):
    long = unit * (100_000 // len(unit))
    assert extract_answer(long + "\nThe end.", OPTIONS) in (None, "A")


@pytest.mark.parametrize("text", [None, 3, b"Answer: C", ["Answer: C"]])
def test_what_is_no_text_has_no_answer(text):
    assert extract_answer(text, OPTIONS) is None


@pytest.fixture(scope="session")
def rows(aqua_folder):
    return [json.loads(line) for line in (aqua_folder / "dev.json").read_text(encoding="utf-8").splitlines()]


def test_questions_alone_have_no_answer(rows):
    assert [row["question"] for row in rows if extract_answer(row["question"], row["options"])] == []


def test_an_echoed_question_with_its_options_has_no_answer(rows):
    echoes = [("\n".join([row["question"], *row["options"]]), row["options"]) for row in rows]
    assert [text for text, options in echoes if extract_answer(text, options)] == []


def test_human_rationales_are_read_and_agree_with_the_label(rows):
    read = [(extract_answer(row["rationale"], row["options"]), row["correct"]) for row in rows]
    answered = [(letter, gold) for letter, gold in read if letter]
    assert len(answered) >= 0.95 * len(rows)
    assert sum(letter == gold for letter, gold in answered) >= 0.995 * len(answered)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("Half of 84 is 42.\nAnswer: C", "Answer: "),
        ("so \\boxed{C}.", "\\boxed{"),
        ("<think>no A</think>\nAnswer: **C**", "**"),
        ("½ of it … “yes” ﬁnally\nAnswer: Ｃ", "Answer: "),  # normalisation makes the text longer
        ("I pick C) 42\nI pick C) 42\n", "\nI pick "),
        ("x" * 9_000 + "\nAnswer: C", "Answer: "),
        ("Answer: A wait, no, answer: C", "no, answer: "),
    ],
)
def test_the_place_of_the_answer_is_that_of_its_letter(text, before):
    letter, (start, end) = find_answer(text, ["A)21", "B)24", "C)42"])
    assert (letter, text[start:end] in ("C", "Ｃ"), text[:start].endswith(before)) == ("C", True, True)


@pytest.mark.parametrize("text", ["The answer is 42.", "Answer: A or C", "no idea"])
def test_an_answer_without_a_letter_has_no_place(text):
    assert find_answer(text, ["A)21", "B)24", "C)42"])[1] is None


# The theory of evidence, rule by rule (docs/answers.md).
EXPLAINED = [  # words after the answer that explain, deny another letter, or warn
    "Answer: C\nMany choose A, which is incorrect.",
    "Answer: C\nIt is wrong to divide twice.",
    "Answer: C\n\nA common mistake is to forget the second box, which leads to A.",
    "Answer: C\nAs a check, A and C give other totals.",
    "Answer: C\n(24 would leave a box without a lid, which isn't allowed.)",
    "The answer is C. Note that B would be right if the question asked for half of it.",
    "Answer: C\nOptions A and B are too small.",
    "C is correct. D is tempting, but twice too large.",
    "Answer: C\nDon't confuse it with E.",
]
DISCUSSED = [  # an option after the other, then a conclusion
    "A) 7 is a sixth of 42, and B) 24 is too small. C) 42 fits.\nAnswer: C",
    "(A) 7 - too small ❌\n(B) 24 - too small ❌\n(C) 42 - 6 * 7. ✅\n(D) 84 - doubled ❌",
    "Option A gives 7. Option B gives 24. Option D doubles it. Therefore, option C.",
    "A) 7: no.\nB) 24: no.\nC) 42: 6 * 7 = 42. This is correct.\nD) 84: no.",
    "A is out. B is out. D is out. E is out. Which leaves us with C.",
]
UNDECIDED = [  # ... and without one
    "Let me look at them.\nA) 7 is a sixth.\nB) 24 is even.\nC) 42 is a common distractor.\nD) 84 is twice that.",
    "Option A gives 7. Option C gives 42. I would have to look at the rest.",
    "A and B are too small, so it must be C or D.",
    "| Option | Value |\n|---|---|\n| A | 7 |\n| B | 24 |\n| C | 42 |",
]
WITHDRAWN = [
    "Answer: C\nThat answer does not hold.",
    "Answer: C. Just kidding.",
    "Answer: C\n\nScratch that.",
    "I choose C. I take that back.",
    "Answer: C\nPlease ignore the answer above; it was a guess.",
    "Answer: C\n\nI cannot decide between these two.",
]
SECOND = [  # a second answer beside the first
    "C, then A",
    "Answer: C\nAlso acceptable: A",
    "Answer: C—D is fine too.",
    "It's A. Or C.",
    "Answer: C\nBackup: A",
    "Answer: A" + " and so on" * 69 + "\nAnswer: C",
    "Answer: A (20%), C (60%)",
    "Two candidates are left: C (42) and D (84).",
]
CORRECTED = [
    "Answer: A. On second thought, C.",
    "Answer: A\n\nHold on. Should it be C? Let me verify: 6 * 7 = 42. Right, so C it is.",
    "I first had A, but after checking I changed it to C.",
    "Answer: B\nTypo: should read C.",
    "Not A but C.",
]
MATHEMATICS = [
    "The answer is C(7,2) = 21.",
    "E[X] = 3.5 and P(A) = 0.3, as B(x) says.",
    "Let A denote the first box and B the second; $B(x)$ stays.",
    "He walks from A to B and reaches B at noon.",
    "Blood group B is rarer than group A.",
]
PLAINLY = [  # a letter with its own value, or after weaker words
    "Each pays (C) 42.",
    r"\boxed{42\text{ (C)}}",
    "It must be C",
    "My guess is C",
    "The right one appears to be C.",
    "C)C)42",
    "C – forty-two in all.",
    "I'd go with C.",
    "6 * 7 = 42 => (C)",
    "Probably C, since 6 * 7 = 42.",
    "I'm fairly comfortable with C.",
]


@pytest.mark.parametrize("text", EXPLAINED + DISCUSSED + CORRECTED + PLAINLY)
def test_what_is_said_around_an_answer_does_not_hide_it(text):
    assert extract_answer(text, OPTIONS) == "C"


@pytest.mark.parametrize("text", UNDECIDED + WITHDRAWN + SECOND + MATHEMATICS)
def test_an_answer_that_is_not_committed_to_is_none(text):
    assert extract_answer(text, OPTIONS) is None


NOTHING = ["A)5", "B)7", "C)9", "D)Cannot be determined", "E)None of these"]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: E) None of these", "E"),
        ("(e) none of these", "E"),
        ("Answer: Cannot be determined", "D"),
        ("Answer: D\nThe length cannot be determined.", "D"),
        ("None of the first three fits, so the answer is E.", "E"),
        ("Final answer: None of these (option E)", "E"),
    ],
)
def test_an_option_may_say_that_there_is_none(text, letter):
    assert extract_answer(text, NOTHING) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The right option is (I) 27.", "I"),
        ("Answer: I", "I"),
        ("I think so. Answer: H", "H"),
        ("I believe it.", None),
    ],
)
def test_the_pronoun_is_no_letter(text, letter):
    assert extract_answer(text, [f"{c}){3 * i}" for i, c in enumerate("ABCDEFGHI", start=1)]) == letter


FIVE = ["21", "24", "42", "84", "12.5 km/hr"]


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("The student must score 42 on the fifth test.", "C"),
        ("Therefore, he needs 42 apples to have an average of 30 apples.", "C"),
        ("So the answer comes to 42 days. A common mistake is to take 24, which ignores the first day.", "C"),
        ("Das sind zusammen 42 Euro.", "C"),
        ("所以自行车的速度是 12.5 公里/小时。", "E"),
        ("Vitesse : 12,5 km/h.", "E"),
        ("The speed is 12.5 kilometres per hour.", "E"),
        ("So 84. But half of them leave, so 42 remain.", "C"),
        ("So 84. But half of them leave, and 42 remain.", None),
        ("The numbers are 24 and 42.", None),
        ("It is more than 42.", None),
        ("We add 18 and get 42, and now we must subtract the", None),
        ("Поэтому ответ не равен 42.", None),
        ("Under the first interpretation the answer would be 42, under the second 84.", None),
    ],
)
def test_a_value_is_read_where_the_text_concludes(text, letter):
    assert read_answer(text, FIVE) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("La bonne réponse est la C. Les réponses A, B et D ne conviennent pas.", "C"),
        ("一开始我以为答案是 A，但是检查后发现有错，答案选 C。", "C"),
        ("正しい選択肢はBではなく、Cです。", "C"),
        ("সুতরাং সঠিক উত্তর C।", "C"),
        ("36 不在 A 到 B 的选项中，所以选 C。", "C"),
    ],
)
def test_a_denial_holds_for_its_own_clause_in_other_languages(text, letter):
    assert read_answer(text, FIVE) == letter


def test_a_text_that_swings_between_letters_commits_to_none():
    assert read_answer("Final answer: A\n\nFinal answer: C\n\nFinal answer: A\n\nFinal answer: C", FIVE) is None


def test_the_final_answer_is_final_once():
    assert read_answer("The final answer is A.\n\nSo 6 * 7 = 42, and the final answer is C.", FIVE) is None
    assert read_answer("At first I take A. The final answer is C.", FIVE) == "C"
