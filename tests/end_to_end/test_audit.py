"""``ratchet audit`` and ``ratchet prepare`` as a person types them, and the gate and the curriculum of a real run."""

import json

CHEAP = ("--rewards.answer_format.weight", "0.99")  # a letter in the right form is nearly worth a right one


def test_a_sound_recipe_passes_with_a_table_json_and_a_page(script, tmp_path):
    done = script(
        "ratchet",
        "audit",
        "recipes/debug/grpo.yaml",
        "--rows",
        "50",
        "--json",
        "found/audit.json",
        "--html",
        "found/audit.html",
    )
    assert "verdict: passed" in done.stdout and "always A" in done.stdout
    assert json.loads((tmp_path / "found/audit.json").read_text())["rows"] == 50
    assert "<table" in (tmp_path / "found/audit.html").read_text()


def test_json_alone_can_be_piped(script):
    assert json.loads(script("ratchet", "audit", "recipes/debug/grpo.yaml", "--rows", "20", "--json", "-").stdout)[
        "passed"
    ]


def test_a_failing_recipe_exits_with_one(script):
    done = script("ratchet", "audit", "recipes/debug/grpo.yaml", *CHEAP, code=1)
    assert "FAILS    ignorance-pays: a policy that knows nothing" in done.stdout and "linear model" in done.stdout


def test_wrong_input_is_a_sentence(script, tmp_path):
    (tmp_path / "mine.py").write_text("def good(completions, **columns):\n    return [0.0 for _ in completions]\n")
    for words, says in (
        (("--rows", "many"), "--rows takes a number"),
        (("--split", "dev"), "--split is train, validation or test"),
        (("--reward", "mine.py"), "write path/to/file.py:function"),
        (("--reward", "gone.py:good"), "does not exist"),
        (("--reward", "mine.py:bad"), "has no function bad; it has good"),
        (("--plain",), "--plain belongs to --reward"),
        (("--html",), "take the name of a file"),
        (("--html", "/proc/none/page.html"), "cannot be written"),
        (("--audit.rows", "0"), "audit.rows must be greater than 0"),
        (("--audit.margin", "-1"), "audit.margin must lie between 0 and 1"),
        (("--audit.accept", "[hack-pays]"), "audit.accept must be a mapping"),
        (("--audit.accept.no-such-thing", "x"), "there is no finding no-such-thing"),
    ):
        done = script("ratchet", "audit", "recipes/debug/grpo.yaml", *words, code=2)
        assert says in done.stderr and "Traceback" not in done.stderr


def test_a_reward_of_somebody_else_is_audited(script, tmp_path):
    (tmp_path / "mine.py").write_text("def constant(completions, **columns):\n    return [1.0 for _ in completions]\n")
    done = script(
        "ratchet", "audit", "recipes/debug/grpo.yaml", "--rows", "20", "--reward", "mine.py:constant", code=1
    )
    assert "constant is 1 for every completion" in done.stdout


def test_a_run_with_a_cheap_reward_stops_with_the_table_and_leaves_nothing(script, tmp_path):
    done = script("scripts/grpo.py", "recipes/debug/grpo.yaml", *CHEAP, code=2, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert "ignorance-pays" in done.stderr and "--audit warn" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "outputs").glob("*"))


def test_a_run_that_is_warned_goes_on_and_its_card_says_so(script, tmp_path):
    done = script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        *CHEAP,
        "--audit",
        "warn",
        "--max_steps",
        "1",
        "--evaluation.max_rows",
        "4",
    )
    assert "the recipe says audit: warn" in done.stdout
    card = (tmp_path / "outputs/debug-grpo/README.md").read_text()
    assert "mode warn" in card and "fails: ignorance-pays" in card
    assert json.loads((tmp_path / "outputs/debug-grpo/audit.json").read_text())["mode"] == "warn"


def test_preparing_dakota_rows(script, tmp_path, dakota_folder):
    done = script(
        "ratchet", "prepare", "recipes/dakota.yaml", "--data.source", str(dakota_folder), "--output", "data/dakota"
    )
    assert "placeholder instead of an answer" in done.stdout
    assert (tmp_path / "data/dakota/manifest.json").is_file()
    again = script(
        "ratchet",
        "prepare",
        "recipes/dakota.yaml",
        "--data.source",
        str(dakota_folder),
        "--output",
        "data/dakota",
        code=2,
    )
    assert "is there already" in again.stderr
    audited = script("ratchet", "audit", "recipes/dakota.yaml", "--rows", "60")
    assert "verdict: passed" in audited.stdout


def test_the_card_of_a_dakota_model_says_whose_language_it_is(script, tmp_path):
    script(
        "scripts/sft.py",
        "recipes/dakota/sft_numbers_cpu.yaml",
        "--max_steps",
        "2",
        "--evaluation.max_rows",
        "4",
        "--data.generated.families",
        "[nouns]",
        "--data.kinds",
        "null",
        "--per_device_train_batch_size",
        "8",
    )
    card = (tmp_path / "outputs/dakota-sft_numbers_cpu/README.md").read_text(encoding="utf-8")
    assert "no speaker has reviewed" in card and "Do not use this model to translate for people" in card
    assert "supervised fine-tuning has no reward" in card


def test_data_that_was_not_prepared_says_how(script):
    done = script("ratchet", "audit", "recipes/dakota.yaml", code=2)
    assert "data.source: the folder data/dakota does not exist" in done.stderr and "grammar_tasks" in done.stderr


TASK = """
from dataclasses import dataclass
from ratchet.tasks import Grade, Split, Task, read_written_answer

@dataclass
class Levels(Task):
    name = "levels"

    def load(self, split):
        return Split([{"id": f"{split}-{i}", "level": "easy" if i < 20 else "hard", "word": f"w{i}"} for i in
        range(40)])

    def messages(self, row):
        return [{"role": "user", "content": f"Count {row['word'].upper()}"}]

    def gold(self, row):
        return row["word"]

    def target(self, row):
        return row["word"]

    def grade(self, completion, row):
        with open("seen.txt", "a") as seen:
            seen.write(row["level"] + "\\n")
        answer = read_written_answer(completion)
        return Grade(answer == row["word"], answer)
"""


def test_a_curriculum_begins_with_the_first_stage_and_opens_the_next(script, tmp_path, root):
    (tmp_path / "levels.py").write_text(TASK)
    recipe = [
        "extends: {root}/recipes/debug/grpo.yaml",
        "task: levels.py",
        "data: {}",
        "rewards: {correctness: {weight: 1.0}}",
        "audit: off",
    ]
    recipe += [
        "curriculum: {column: level, stages: {easy: 0.9, hard: 0.9}, max_steps: 4}",
        "max_steps: 8",
        "evaluation: {after: false}",
    ]
    (tmp_path / "levels.yaml").write_text("\n".join(recipe).replace("{root}", str(root)))
    done = script("scripts/grpo.py", "levels.yaml")
    assert "step     4  curriculum: 4 steps, so hard rows begin" in done.stdout
    seen = (tmp_path / "seen.txt").read_text().split()
    trained = seen[-8 * 16 :]
    assert set(trained[: 4 * 16]) == {"easy"} and "hard" in trained[5 * 16 :]
    history = json.loads((tmp_path / "outputs/levels/trainer_state.json").read_text())["log_history"]
    assert [h["curriculum/stage"] for h in history if "curriculum/stage" in h][-1] == 1.0


def test_a_finding_can_be_accepted_on_the_command_line(script):
    reason = ("--audit.accept.ignorance-pays", "a test")
    assert (
        "accepted ignorance-pays"
        in script("ratchet", "audit", "recipes/debug/grpo.yaml", *CHEAP, *reason, "--rows", "40").stdout
    )


def test_a_curriculum_that_does_not_fit_the_rows_leaves_an_earlier_run_alone(script, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/result.json").write_text("{}")
    done = script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--output_dir",
        "out",
        "--curriculum.stages",
        "{easy: 0.5, hard: 0.5}",
        code=2,
    )
    assert "have no column difficulty; row train-0 has" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and (tmp_path / "out/result.json").read_text() == "{}"


def test_an_output_folder_that_is_a_file_is_refused(script, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert (
        "out is a file" in script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--output_dir", "out", code=2).stderr
    )
    assert "cannot be made" in script("ratchet", "prepare", "recipes/dakota.yaml", "--output", "out", code=2).stderr


def test_a_curriculum_of_one_stage_is_refused(script):
    done = script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--curriculum.stages", "{easy: 0.5}", code=2)
    assert "at least two stages" in done.stderr
