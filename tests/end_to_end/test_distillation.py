"""Runs with a teacher: what they print, keep and refuse."""

import json
import shutil

import pytest
import yaml

RECIPE = {
    **{"trainer": "distill", "task": "aquarat", "model_name_or_path": "ratchet-tiny", "use_cpu": True, "bf16": False},
    "data": {"source": "generated", "instruction": "", "generated": {"train": 60, "validation": 40}},
    **{"per_device_train_batch_size": 16, "num_generations": 4, "max_completion_length": 40, "max_steps": 2},
    **{"temperature": 1.0, "report": {"mode": "off"}, "save_strategy": "no", "output_dir": "out", "logging_steps": 1},
    "evaluation": {"after": True, "max_new_tokens": 40, "batch_size": 40},
    "distillation": {"context": "Work it out.", "measure": 40, "must_be_better": False},
}


@pytest.fixture
def run(script, tmp_path):
    """Writes the recipe with other keys, and runs it."""

    def run(distillation=None, code=0, **keys):
        settings = {**RECIPE["distillation"], **(distillation or {})}
        recipe = {**RECIPE, **keys, "distillation": settings}
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(recipe))
        return script(f"scripts/{recipe['trainer']}.py", "mine.yaml", code=code)

    return run


def test_student_and_teacher_are_measured_before_the_first_step_and_the_card_says_who_taught(run, tmp_path):
    said = run(report={"mode": "on"}).stdout
    assert "the teacher alone teaches" in said and "form token" in said and "audit" not in said
    found = json.loads((tmp_path / "out/result.json").read_text())["distillation"]
    assert {name: entry["n"] for name, entry in found.items()} == {"student": 40, "student with the context": 40}
    card = (tmp_path / "out/README.md").read_text()
    report = (tmp_path / "out/report.html").read_text()
    assert all("student with the context, before training" in page for page in (card, report))
    assert "Distance from the teacher" in report
    assert "teacher `start`, also told `'Work it out.'`" in card and "No reward: the teacher alone taught." in card


def test_a_teacher_that_is_not_better_stops_the_run(run, tmp_path):
    said = run({"must_be_better": True, "context": "B) B) B) B)"}, code=2).stderr
    assert "the teacher (student with the context) is right on" in said and "there is nothing to learn from it" in said
    assert not (tmp_path / "out/result.json").exists()


def test_a_teacher_beside_rewards_is_audited_as_grpo_is(run, tmp_path):
    said = run(trainer="grpo", rewards={"correctness": {"weight": 1.0}}, audit={"rows": 20}).stdout
    assert "audit       passed" in said and "the teacher alone teaches" not in said
    log = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    assert all(0 < line["distill/teacher_share"] <= 1 for line in log if "loss" in line)
    assert "| correctness | 1 |" in (tmp_path / "out/README.md").read_text()


def test_rows_that_nobody_grades_are_learned_from_a_teacher(run, tmp_path):
    rows = [{"prompt": f"Say {i}.", "completion": f"{i}"} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = {"source": "rows.jsonl", "grader": "none"}
    said = run(task="dataset", data=data, evaluation={"after": False}).stdout
    assert "before      student" not in said and "2 steps" in said


def test_a_teacher_of_another_tokenizer_is_refused_with_what_differs(run, tmp_path, root):
    shutil.copytree(root / "src/ratchet/models/tiny", tmp_path / "other")
    file = tmp_path / "other/tokenizer.json"
    tokenizer = json.loads(file.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    file.write_text(json.dumps(tokenizer))
    said = run({"teacher": "other"}, code=2).stderr
    assert "has another tokenizer than the student ('A' is number" in said and "ratchet sample --model" in said


def test_a_teacher_that_is_not_there_is_said(run):
    assert "distillation.teacher" in run({"teacher": "./nowhere"}, code=2).stderr
    assert "does not list its models" in run({"teacher": "http://127.0.0.1:9"}, code=2).stderr


@pytest.mark.apart
def test_a_student_learns_what_the_context_said(script, tmp_path):
    script("scripts/sft.py", "recipes/distill/warmup_cpu.yaml", "--report", "off")
    script("scripts/distill.py", "recipes/distill/rule_cpu.yaml", "--report", "off")
    result = json.loads((tmp_path / "outputs/distill-rule_cpu/result.json").read_text())
    assert result["distillation"]["student with the context"]["low"] > 0.9
    assert result["before"]["high"] < 0.6 and result["after"]["low"] > 0.9
