"""The audit: what passes, what fails and why, on small rewards made for it and on the two published ones."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratchet.audit import ForeignReward, RecipeRewards, audit
from ratchet.audit.gate import audit_recipe, gate
from ratchet.errors import UserError
from ratchet.recipe import load_recipe
from ratchet.recipe.groups import FINDINGS, Audit
from ratchet.rewards import REWARDS, RewardTerm, reward
from ratchet.tasks import Grade, Split, Task, load_split, read_written_answer
from ratchet.tasks.aquarat.task import AquaRat

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
TASK = AquaRat(source="generated")
ROWS = TASK.load("validation").rows[:40]


@dataclass
class Capitals(Task):
    """A small task whose faults each test chooses."""

    rows: tuple = (
        ("France", "Paris"),
        ("Italy", "Rome"),
        ("Spain", "Madrid"),
        ("Norway", "Oslo"),
        ("Ghana", "Accra"),
        ("Peru", "Lima"),
    )
    name = "capitals"

    def load(self, split):
        return Split(
            [
                {"id": f"{split}-{i}", "country": country, "capital": capital}
                for i, (country, capital) in enumerate(self.rows)
            ]
        )

    def messages(self, row):
        return [{"role": "user", "content": f"What is the capital of {row['country']}?"}]

    def gold(self, row):
        return row["capital"]

    def target(self, row):
        return row["capital"]

    def grade(self, completion, row):
        answer = read_written_answer(completion)
        return Grade(answer == row["capital"], answer)


def found(*terms, task=None, rows=None, limit=256, **settings):
    task = task or TASK
    rows = rows or (ROWS if task is TASK else task.load("train").rows)
    return audit(task, rows, RecipeRewards(list(terms), limit), limit, "test", Audit(**settings))


def failed(report):
    return {finding.name for finding in report.failed}


CORRECT = RewardTerm(REWARDS["correctness"])


# What passes


def test_the_graders_own_correctness_passes():
    report = found(CORRECT)
    assert report.failed == [] and report.tally.rows == 40
    assert report.tally.lines["gold, the target text"].share == 1.0
    assert all(line.correct == 0 for line in report.lines("hack"))


def test_a_small_task_of_ones_own_passes():
    assert failed(found(CORRECT, task=Capitals())) == set()


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: str(p.relative_to(ROOT / "recipes")))
def test_every_recipe_passes_on_its_own_rows(path, aqua_folder, dakota_folder):
    plain = load_recipe(path, environ={"WORLD_SIZE": "8"})
    overrides = []
    if getattr(plain.task, "source", None) != "generated":
        overrides = [("data.source", str(dakota_folder if plain.task.name == "dakota" else aqua_folder))]
        overrides += [("data.train_split", "validation")] if plain.task.name == "aquarat" else []
    recipe = load_recipe(path, overrides, environ={"WORLD_SIZE": "8"})
    report = audit_recipe(recipe, load_split(recipe.task).rows[:300])
    assert report.failed == [], report.verdict()


# What fails


def rewarding(function, low=0.0, high=1.0, goal=True):
    return RewardTerm(reward(low, high, goal=goal)(function))


def any_letter(sample):
    return 0.6 * sample.grade.correct + 0.4 * (sample.grade.answer is not None)


def short_and_right(sample):
    return float(sample.grade.correct) * (1.0 if len(sample.completion) < 100 else 0.5)


def pays_silence(sample):
    return 1.0 if sample.grade.correct else 0.2 * (len(sample.completion) < 20)


def gold_anywhere(sample):
    return float(TASK.commit(sample.row["correct"], sample.row) in sample.completion)


def never_all(sample):
    return 0.9 * sample.grade.correct


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (any_letter, "ignorance-pays"),
        (short_and_right, "reasoning-costs"),
        (pays_silence, "silence-pays"),
        (gold_anywhere, "hack-pays"),
        (never_all, "gold-below-maximum"),
        (lambda sample: 1.0, "dead-component"),
        (never_all, "unreachable-component"),
    ],
)
def test_a_reward_with_a_fault_fails_with_the_finding_of_that_name(function, name):
    assert name in failed(found(rewarding(function)))


def test_a_shaping_term_that_never_moves_is_dead():
    report = found(CORRECT, rewarding(lambda sample: 0.0, goal=False))
    assert failed(report) == {"dead-component"}


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        ([("France, whose capital is Paris", "Paris"), ("Italy", "Rome")] * 2, "gold-in-prompt"),
        ([("France", "Paris"), ("France", "Lyon"), ("Italy", "Rome")], "several-golds"),
        ([("France", "[TO BE GENERATED]"), ("Italy", "Rome"), ("Spain", "Madrid")], "placeholder-gold"),
    ],
)
def test_rows_with_a_fault_fail_with_the_finding_of_that_name(rows, name):
    assert name in failed(found(CORRECT, task=Capitals(tuple(rows))))


def test_an_accepted_finding_does_not_fail_and_keeps_its_reason():
    report = found(
        rewarding(never_all), accept={"gold-below-maximum": "on purpose", "unreachable-component": "on purpose"}
    )
    assert report.failed == []
    assert "the recipe's reason: on purpose" in report.verdict()


def test_thresholds_are_the_recipes_own():
    assert "ignorance-pays" not in failed(found(rewarding(any_letter), margin=0.6))


# The two published rewards, on real rows


def legacy(recipe, function, *overrides, every=1):
    recipe = load_recipe(ROOT / recipe, overrides)
    rows = load_split(recipe.task, "validation").rows[::every]
    return audit_recipe(recipe, rows, f"{ROOT}/docs/legacy/rewards.py:{function}", plain=True)


def test_nanochat_aquarat_pays_gold_too_little_and_a_constant_what_was_published(aqua_folder):
    report = legacy("recipes/aquarat.yaml", "nanochat_aquarat", ("data.source", str(aqua_folder)))
    assert {"gold-below-maximum", "ignorance-pays", "hack-pays"} <= failed(report)
    assert report.tally.lines["always A"].correct == 69 and report.tally.rows == 254  # the published result: 0.2717


def test_dakota_additive_pays_copying_more_than_the_trained_model_earned(dakota_folder):
    report = legacy("docs/legacy/dakota.yaml", "dakota_additive", ("data.source", str(dakota_folder)), every=5)
    names = {
        "gold-below-maximum",
        "ignorance-pays",
        "silence-pays",
        "reasoning-costs",
        "gold-in-prompt",
        "several-golds",
        "placeholder-gold",
    }
    assert names <= failed(report)
    lines = report.tally.lines
    assert lines["what follows the last colon"].mean > 0.349  # the published reward after training
    assert lines["empty"].mean == pytest.approx(0.245, abs=0.01) and lines["gold, bare"].mean == pytest.approx(
        0.846, abs=0.01
    )


# Bad input


def broken(function, says):
    with pytest.raises(UserError, match=says):
        found(rewarding(function))


def test_a_reward_that_raises_is_named_with_row_and_column():
    broken(
        lambda sample: sample.row["difficulty"],
        r"rewards\.<lambda> of row validation-0 raises KeyError: 'difficulty'; the row has no column 'difficulty'",
    )


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "returns nan"),
        (None, "returns None, which is no number"),
        (1.5, "outside its stated range 0 to 1"),
        ("x", "no number"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_row(value, says):
    broken(
        lambda sample: value, f"rewards.<lambda> of row validation-0 {says}" if says.startswith("returns") else says
    )


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda completions, **columns: [0.0], "returns 1 values for"),
        (lambda completions, **columns: 1.0, "returns a list of numbers"),
        (lambda completions, **columns: [float("inf")] * len(completions), "returns inf"),
        (lambda completions, column_that_is_not_there: [], "raises TypeError"),
    ],
)
def test_a_foreign_reward_that_returns_what_it_must_not_is_named(function, says):
    with pytest.raises(UserError, match=says):
        audit(TASK, ROWS[:3], ForeignReward("mine", function, TASK), None, "test")


def test_a_foreign_reward_gets_conversations_as_trl_passes_them():
    seen = []

    def mine(prompts, completions, correct, **columns):
        seen.append((prompts[0][0]["role"], completions[0][0]["role"], correct[0]))
        return [0.0] * len(completions)

    audit(TASK, ROWS[:1], ForeignReward("mine", mine, TASK), None, "test")
    assert seen[0] == ("user", "assistant", ROWS[0]["correct"])


def test_a_task_whose_grade_raises_is_named_with_the_row():
    class Faulty(Capitals):
        def grade(self, completion, row):
            return row["missing"]

    with pytest.raises(
        UserError, match=r"capitals\.grade of row train-0 raises KeyError: 'missing'; the row has no column 'missing'"
    ):
        found(CORRECT, task=Faulty())


def test_a_component_outside_zero_and_one_is_named():
    class Faulty(Capitals):
        def grade(self, completion, row):
            return Grade(False, None, {"speed": 3.0})

    with pytest.raises(UserError, match="component speed is 3.0"):
        found(CORRECT, task=Faulty())


# Reports


def test_json_holds_every_policy_and_finding():
    report = found(rewarding(any_letter))
    known = json.loads(json.dumps(report.as_dict()))
    assert not known["passed"] and known["rows"] == 40
    assert {policy["kind"] for policy in known["policies"]} == {"gold", "ignorant", "hack"}
    assert all(set(policy["components"]) == {"any_letter"} for policy in known["policies"])


def test_the_page_stands_alone_and_escapes_what_it_shows():
    report = audit(
        Capitals((("<b>", "<i>x</i>"), ("b", "yy"))),
        Capitals((("<b>", "<i>x</i>"), ("b", "yy"))).load("t").rows,
        RecipeRewards([CORRECT], 64),
        64,
        "<t>",
    )
    page = report.page()
    assert "http" not in page and "<i>x</i>" not in page and "&lt;t&gt;" in page


def test_every_finding_has_a_description():
    assert all(FINDINGS.values())


# At the start of a run


@pytest.fixture
def debug(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def load(*overrides):
        return load_recipe(ROOT / "recipes/debug/grpo.yaml", overrides)

    return load


def test_an_outcome_is_remembered_until_something_changes(debug, tmp_path, monkeypatch):
    rows = load_split(debug().task).rows
    first = gate(debug(), rows, tmp_path)
    kept = list((tmp_path / "cache").rglob("*.json"))
    assert len(kept) == 1 and json.loads((tmp_path / "audit.json").read_text())["passed"]
    monkeypatch.setattr("ratchet.audit.gate.audit_recipe", lambda *a: pytest.fail("audited again"))
    assert gate(debug(), rows, tmp_path) == first
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gate(debug(("rewards.correctness.weight", "2")), rows, tmp_path)
    gate(debug(), [{**row, "question": row["question"] + " "} for row in rows], tmp_path)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 3


def test_a_torn_memory_is_made_again(debug, tmp_path):
    rows = load_split(debug().task).rows
    gate(debug(), rows, tmp_path)
    (kept,) = (tmp_path / "cache").rglob("*.json")
    kept.write_text("{")
    assert "passed" in gate(debug(), rows, tmp_path)


@pytest.mark.parametrize(("mode", "says"), [("warn", "audit: warn"), ("off", "off")])
def test_what_the_user_chose_is_recorded(debug, tmp_path, mode, says):
    recipe = debug(("audit", mode), ("rewards.answer_format.weight", "0.99"))
    assert says in gate(recipe, load_split(recipe.task).rows, tmp_path)
    assert json.loads((tmp_path / "audit.json").read_text())["mode"] == mode


def test_a_failing_reward_stops_with_the_table_and_what_to_do(debug, tmp_path):
    recipe = debug(("rewards.answer_format.weight", "0.99"))
    with pytest.raises(UserError, match=r"(?s)policy +reward.*ignorance-pays.*ratchet audit .*--audit warn"):
        gate(recipe, load_split(recipe.task).rows, tmp_path)


def test_a_task_file_without_grade_is_named(tmp_path):
    source = (ROOT / "docs/legacy/dakota_as_published.py").read_text()
    (tmp_path / "half.py").write_text(source[: source.index("    def grade")])
    (tmp_path / "half.yaml").write_text(
        "trainer: grpo\nmodel_name_or_path: ratchet-tiny\ntask: half.py\ndata: {source: x}\nrewards: {correctness: {weight: 1.0}}\n"
    )
    with pytest.raises(UserError, match="DakotaAsPublished does not define grade"):
        load_recipe(tmp_path / "half.yaml")


@pytest.mark.parametrize(
    ("method", "value", "says"),
    [
        ("messages", "What?", "must return a list of"),
        ("messages", [{"content": "What?"}], "must return a list of"),
        ("gold", None, "capitals.gold of row train-0 must return a str, it returns 'None'"),
        ("target", 3, "capitals.target of row train-0 must return a str"),
        ("grade", True, "capitals.grade of row train-0 must return a Grade"),
    ],
)
def test_a_task_that_returns_something_else_is_named(method, value, says):
    faulty = type("Faulty", (Capitals,), {method: lambda self, *arguments: value})
    with pytest.raises(UserError, match=says):
        found(CORRECT, task=faulty())


def test_rows_that_share_an_id_are_refused():
    with pytest.raises(UserError, match="needs an id of its own; two have one"):
        found(CORRECT, task=Capitals(), rows=[{"id": "one", "country": "France", "capital": "Paris"}] * 2)


def test_a_foreign_reward_that_wants_to_leave_is_no_pass():
    def leaving(completions, **columns):
        raise SystemExit(0)

    with pytest.raises(UserError, match="raises SystemExit: 0.*--plain"):
        audit(TASK, ROWS[:1], ForeignReward("leaving", leaving, TASK), None, "test")


def test_a_stated_range_of_a_foreign_reward_is_what_gold_is_measured_by():
    def half(completions, **columns):
        return [0.5] * (len(completions) - 1) + [0.0]

    half.range = (0.0, 1.0)
    report = audit(TASK, ROWS[:3], ForeignReward("half", half, TASK), None, "test")
    assert {"gold-below-maximum", "unreachable-component"} <= failed(report)
