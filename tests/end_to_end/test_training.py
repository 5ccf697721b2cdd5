"""The scripts as a person starts them, from recipe to result."""

import json
import shutil
from pathlib import Path


def result(folder: Path) -> dict:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def test_the_demo_teaches_the_tiny_model_to_work_problems_out(demo):
    found = result(demo.folder)
    before, after = found["before"], found["after"]
    assert before["n"] == after["n"] >= 500
    assert after["accuracy"] >= 0.85
    assert after["accuracy"] - before["accuracy"] >= 0.35
    assert before["high"] < after["low"]
    assert {"majority", "chance", "seconds"} <= set(found)
    assert "accuracy before" in demo.stdout
    assert demo.stdout.count("  after  right") + demo.stdout.count("  after  wrong") == 3
    assert "ratchet evaluate" in demo.stdout


def test_sft_lowers_the_loss_and_leaves_a_model_and_a_recipe_that_run(script, tmp_path):
    done = script(
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        "--output_dir",
        "out",
        "--eval_strategy",
        "steps",
        "--eval_steps",
        "5",
    )
    losses = [float(line.split("loss ")[1].split()[0]) for line in done.stdout.splitlines() if " loss " in line]
    assert losses[-1] < losses[0]
    assert done.stdout.count("  held-out accuracy") == 2
    assert (
        done.stdout.count("alarm not-above-majority: ") == 1
        and "not-above-majority" in json.loads((tmp_path / "out/result.json").read_text())["alarms"]
    )
    assert "Traceback" not in done.stderr
    again = script("scripts/sft.py", "out/recipe.yaml", "--max_steps", "2")
    assert "holds an earlier run; moved it to" in again.stdout
    assert (tmp_path / "out.old-1" / "model.safetensors").is_file()


def test_grpo_trains_on_real_rows_with_a_model_from_a_configuration(script, aqua_folder, tmp_path):
    done = script(
        "scripts/grpo.py",
        "recipes/aquarat/grpo_random_weights_cpu.yaml",
        "--data.source",
        str(aqua_folder),
        "--max_steps",
        "2",
        launch="cpu",
    )
    assert "over 254 training rows" in done.stdout
    assert result(tmp_path / "outputs/aquarat-grpo_random_weights_cpu")["steps"] == 2


def test_a_checkpoint_can_be_evaluated_and_compared(script, tmp_path):
    script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--max_steps",
        "2",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        "--output_dir",
        "out",
    )
    assert (tmp_path / "out/checkpoint-1/model.safetensors").is_file()
    words = ("ratchet", "evaluate", "out/recipe.yaml", "--model", "out/checkpoint-1", "--compare", "ratchet-tiny")
    done = script(*words, "--split", "test", "--evaluation.max_rows", "30", "--data.generated.test", "60")
    assert "McNemar p =" in done.stdout
    paired = json.loads((tmp_path / "out/checkpoint-1/evaluation-aquarat-test.json").read_text())["compared_with"][
        "paired"
    ]
    assert paired["n"] == 30


def test_the_model_card_holds_the_measured_figures_and_passes_as_metadata(script, tmp_path):
    from huggingface_hub import ModelCard

    script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--max_steps", "1", "--output_dir", "out")
    card = ModelCard.load(tmp_path / "out/README.md")
    assert card.data.eval_results[0].metric_value == round(result(tmp_path / "out")["after"]["accuracy"], 4)
    assert "always the commonest answer" in card.text
    left = {
        "recipe.yaml",
        "result.json",
        "trainer_state.json",
        "model.safetensors",
        "tokenizer.json",
        "chat_template.jinja",
    }
    assert left <= {path.name for path in (tmp_path / "out").iterdir()}


def test_show_config_runs_nothing(script, tmp_path):
    done = script("scripts/grpo.py", "recipes/demo.yaml", "--show-config", "--learning_rate", "1e-4")
    assert "learning_rate: 0.0001" in done.stdout
    assert not (tmp_path / "outputs").exists()


def test_an_accuracy_measured_by_training_is_that_of_the_evaluation_script(script, tmp_path):
    script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--max_steps", "3", "--output_dir", "out")
    script("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", "--output", "evaluation.json")
    assert (
        json.loads((tmp_path / "evaluation.json").read_text())["accuracy"]
        == result(tmp_path / "out")["after"]["accuracy"]
    )


def test_the_best_model_that_is_loaded_at_the_end_is_the_one_measured(script, tmp_path):
    every = (
        "--eval_strategy",
        "steps",
        "--eval_steps",
        "1",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        "--save_only_model",
        "true",
    )
    best = (
        "--load_best_model_at_end",
        "true",
        "--metric_for_best_model",
        "accuracy",
        "--learning_rate",
        "6e-3",
        "--warmup_steps",
        "0",
    )
    small = (
        "--max_steps",
        "3",
        "--per_device_train_batch_size",
        "32",
        "--evaluation.max_rows",
        "40",
        "--evaluation.before",
        "false",
        "--audit",
        "off",
    )
    script("scripts/grpo.py", "recipes/demo.yaml", *every, *best, *small, "--output_dir", "out")
    script("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", "--output", "again.json")
    log = [json.loads(line) for line in (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines()]
    measured = [entry["eval/accuracy"] for entry in log if "eval/accuracy" in entry]
    assert (
        result(tmp_path / "out")["after"]["accuracy"]
        == json.loads((tmp_path / "again.json").read_text())["accuracy"]
        == max(measured)
    )
    assert measured[2] < max(measured), "the last step's model is the best one: this test needs another learning rate"


def test_a_metric_that_nothing_measures_ends_in_a_sentence(script):
    best = (
        "--load_best_model_at_end",
        "true",
        "--metric_for_best_model",
        "nix",
        "--eval_strategy",
        "steps",
        "--eval_steps",
        "1",
    )
    words = (
        "scripts/sft.py",
        "recipes/debug/sft.yaml",
        "--max_steps",
        "1",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        *best,
    )
    done = script(*words, code=2)
    assert "metric_for_best_model: nothing measures nix; choose from" in done.stderr and "Traceback" not in done.stderr


def test_a_model_with_the_tokenizer_of_another_is_refused(script, demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*", "diagnostics"))
    tokenizer = json.loads((tmp_path / "out/tokenizer.json").read_text())
    more = [{"id": 5000 + i, "content": f"<|more {i}|>", "special": True} for i in range(9000)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokenizer["added_tokens"] += [{**token, **flags} for token in more]
    (tmp_path / "out/tokenizer.json").write_text(json.dumps(tokenizer))
    done = script("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", code=2)
    assert "the tokenizer of another model" in done.stderr and "Traceback" not in done.stderr


def test_another_evaluation_does_not_take_the_place_of_an_earlier_one(script, demo, tmp_path):
    shutil.copytree(demo.folder, tmp_path / "out", ignore=shutil.ignore_patterns("checkpoint-*", "diagnostics"))
    words = ("ratchet", "evaluate", "out/recipe.yaml", "--model", "out", "--data.generated.validation", "20")
    script(*words)
    done = script(*words, "--evaluation.max_rows", "5")
    assert "kept the earlier evaluation-aquarat-validation.json as evaluation-aquarat-validation-1.json" in done.stdout
    found = [
        json.loads((tmp_path / f"out/evaluation-aquarat-validation{end}.json").read_text())["n"] for end in ("", "-1")
    ]
    assert found == [5, 20]
    listed = script("ratchet", "results", "out").stdout
    assert "(n = 5)" in listed and "(n = 20)" in listed


def test_what_is_trained_on_after_sampling_again_has_spread(script, tmp_path):
    words = ("--output_dir", "out", "--per_device_train_batch_size", "32", "--learning_rate", "5e-5")
    words += ("--evaluation.after", "false", "--report", "off")
    script("scripts/grpo.py", "recipes/debug/grpo.yaml", *words, "--curriculum.resample", "2", launch="cpu2")
    lines = map(json.loads, (tmp_path / "out/diagnostics/log.jsonl").read_text().splitlines())
    logs = [line for line in lines if "loss" in line]
    assert all(log["lean/rows_left_out"] == log["curriculum/no_spread"] for log in logs)
    assert any(log["curriculum/sampled_again"] > 0 and log["curriculum/no_spread"] == 0 for log in logs)
    assert all((log["advantages/frac_zero_spread"] > 0) == (log["curriculum/sampled_again"] > 0) for log in logs)
