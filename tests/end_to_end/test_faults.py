"""Bad input, typed by hand once and kept: a sentence that says what to do, exit code 2, no traceback, nothing
half-written."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def refused(script, *words, says, **more):
    done = script(*words, code=2, **more)
    assert says in done.stderr, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done


def test_a_recipe_that_is_not_there(script):
    refused(script, "scripts/grpo.py", "nowhere.yaml", says="there is no recipe nowhere.yaml")


def test_an_empty_recipe(script, tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    refused(script, "scripts/grpo.py", "empty.yaml", says="this is empty")


def test_no_recipe_at_all(script):
    refused(script, "scripts/grpo.py", says="name a recipe")


def test_a_model_folder_that_is_not_there(script, tmp_path):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--model_name_or_path",
        "./nope/model",
        says="there is no folder ./nope/model",
    )
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_model_that_the_hub_does_not_give(script):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--model_name_or_path",
        "no-such/model",
        says="there is no folder no-such/model; as a model of the Hub it cannot be had, since HF_HUB_OFFLINE is set",
    )


def tiny_copy(tmp_path, **changes):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in (ROOT / "src/ratchet/models/tiny").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    for name, content in changes.items():
        path = folder / {"template": "chat_template.jinja", "weights": "model.safetensors"}[name]
        path.unlink() if content is None else path.write_text(content)
    return str(folder)


def test_a_tokenizer_without_a_chat_template(script, tmp_path):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--model_name_or_path",
        tiny_copy(tmp_path, template=None),
        says="has no chat template",
    )


def test_a_chat_template_for_a_base_model(script, tmp_path):
    folder = tiny_copy(tmp_path, template=None)
    template = str(ROOT / "src/ratchet/models/tiny/chat_template.jinja")
    script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--model_name_or_path",
        folder,
        "--chat_template_path",
        template,
        "--max_steps",
        "1",
    )


def test_a_template_that_never_ends_the_turn(script, tmp_path):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--model_name_or_path",
        tiny_copy(tmp_path, template=template),
        says="would never stop",
    )


def test_weights_that_are_broken(script, tmp_path):
    folder = tiny_copy(tmp_path, weights="not weights")
    refused(script, "ratchet", "evaluate", "recipes/debug/grpo.yaml", "--model", folder, says="no safetensors file")


def test_data_smaller_than_one_generation(script):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/demo.yaml",
        "--data.generated.train",
        "10",
        says="10 training rows are fewer than the 16 prompts",
    )


def test_rows_longer_than_the_model_reads_are_dropped_and_counted(script):
    done = script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--max_completion_length", "482", "--max_steps", "1")
    dropped = re.search(r"dropped (\d+) of 200 training rows that are longer than 30 tokens", done.stdout)
    assert 0 < int(dropped[1]) < 200


def test_no_room_for_a_prompt(script):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--max_completion_length",
        "512",
        says="leaves no room for a prompt",
    )


def test_corrupt_data_is_named_by_file_and_line(script, tmp_path):
    row = {"question": "1 + 1?", "options": ["A)1", "B)2", "C)3", "D)4", "E)5"], "rationale": "", "correct": "B"}
    (tmp_path / "dev.json").write_text(json.dumps(row) + "\n{broken\n")
    refused(
        script,
        "scripts/grpo.py",
        "recipes/aquarat/grpo_random_weights_cpu.yaml",
        "--data.source",
        str(tmp_path),
        says="dev.json:2: not JSON",
    )


def test_no_gpu_where_the_recipe_wants_one(script):
    refused(script, "scripts/grpo.py", "recipes/aquarat/grpo_lora_1gpu.yaml", says="there is no GPU here")


def test_an_accelerate_file_that_contradicts_the_recipe(script):
    done = script("scripts/sft.py", "recipes/debug/sft.yaml", launch="zero2", processes=1, code=1)
    assert "the accelerate configuration says mixed_precision: bf16" in done.stderr


def test_an_output_folder_that_cannot_be_written(script, tmp_path):
    (tmp_path / "file").write_text("in the way")
    refused(script, "scripts/grpo.py", "recipes/debug/grpo.yaml", "--output_dir", "file/out", says="cannot be written")


def test_the_hub_without_a_network(script):
    words = ("scripts/grpo.py", "recipes/aquarat/grpo_random_weights_cpu.yaml", "--data.source", "deepmind/aqua_rat")
    refused(script, *words, says="could not be loaded from the Hub")


@pytest.mark.parametrize("word", ["--help", "--show-config"])
def test_asking_is_no_error(script, word):
    assert script("scripts/grpo.py", "recipes/demo.yaml", word).stdout


def test_a_mistyped_command_leaves_an_earlier_run_where_it_is(script, tmp_path):
    script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--max_steps", "1", "--output_dir", "out")
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--output_dir",
        "out",
        "--data.generated.train",
        "1",
        says="fewer than",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert (tmp_path / "out/model.safetensors").is_file()


def test_a_checkpoint_that_is_none(script):
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--resume",
        "outputs/nope",
        says="outputs/nope is no checkpoint",
    )


def test_a_number_of_processes_without_a_launcher(script):
    words = ("scripts/grpo.py", "recipes/debug/grpo.yaml")
    refused(script, *words, says="no launcher is at work", WORLD_SIZE="2")


def test_a_task_file_with_a_mistake_is_named_with_its_line(script, tmp_path):
    (tmp_path / "mine.py").write_text("import json\nimport nosuchmodule\n")
    (tmp_path / "mine.yaml").write_text(f"extends: {ROOT}/recipes/debug/grpo.yaml\ntask: mine.py\n")
    refused(script, "scripts/grpo.py", "mine.yaml", says="mine.py:2: ModuleNotFoundError")


def test_a_second_run_on_the_same_folder_is_refused_and_harms_nothing(script, tmp_path, root):
    words = [
        sys.executable,
        str(root / "scripts/sft.py"),
        str(root / "recipes/debug/sft.yaml"),
        "--max_steps",
        "2000",
        "--output_dir",
        "out",
        "--logging_steps",
        "1",
    ]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    log = tmp_path / "out/diagnostics/log.jsonl"
    with subprocess.Popen(
        words, cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as first:
        try:
            for _ in range(600):
                if log.is_file():
                    break
                time.sleep(0.1)
            done = script(
                "scripts/sft.py", "recipes/debug/sft.yaml", "--max_steps", "1", "--output_dir", "out", code=2
            )
            assert f"output_dir: out is in use by process {first.pid}, since 2" in done.stderr
            assert first.poll() is None and not list(tmp_path.glob("out.old*"))
            before = len(log.read_text().splitlines())
            time.sleep(2)
            assert len(log.read_text().splitlines()) > before
        finally:
            first.kill()
    script(
        "scripts/sft.py", "recipes/debug/sft.yaml", "--max_steps", "1", "--output_dir", "out"
    )  # a killed run leaves no lock
    assert not list(tmp_path.glob(".out.*"))


@pytest.mark.parametrize(
    "key",
    [
        "trust_remote_code: true",
        "model_init_kwargs: {trust_remote_code: true}",
        "model_init_kwargs: {weights_only: false}",
    ],
)
def test_a_recipe_cannot_decide_that_code_from_elsewhere_runs(script, tmp_path, key):
    (tmp_path / "mine.yaml").write_text(f"extends: {ROOT}/recipes/debug/grpo.yaml\n{key}\n")
    refused(
        script,
        "scripts/grpo.py",
        "mine.yaml",
        says=f"mine.yaml:2: {key.split('{')[-1].rstrip('}')} runs code that comes with a model",
    )


def test_a_checkpoint_of_another_run_that_holds_pickles_is_refused(script, tmp_path):
    (tmp_path / "theirs/global_step3").mkdir(parents=True)
    (tmp_path / "theirs/trainer_state.json").write_text('{"global_step": 3}')
    refused(
        script,
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        "--resume",
        "theirs",
        says="holds global_step3, which DeepSpeed and FSDP read as pickles",
    )


class Run:
    """Pickled code."""

    command = ""

    def __reduce__(self):
        return (os.system, (self.command,))


def test_pickles_in_the_place_of_tensors_do_not_run(script, tmp_path):
    import torch

    Run.command = f"touch {tmp_path}/ran"

    words = (
        "--max_steps",
        "2",
        "--save_strategy",
        "steps",
        "--save_steps",
        "1",
        "--report",
        "off",
        "--evaluation.max_rows",
        "4",
    )
    script("scripts/grpo.py", "recipes/debug/grpo.yaml", *words, "--output_dir", "out")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "ratchet_state_0.pt", "training_args.bin"):
        folder = tmp_path / f"theirs-{name}"
        shutil.copytree(tmp_path / "out/checkpoint-1", folder)
        (folder / "manifest.json").unlink()
        torch.save(Run(), folder / name)
        harmless = name == "training_args.bin"  # nothing reads it
        done = script(
            "scripts/grpo.py",
            "recipes/debug/grpo.yaml",
            *words,
            "--output_dir",
            "new",
            "--resume",
            folder.name,
            code=0 if harmless else 2,
        )
        assert not (tmp_path / "ran").exists() and "Traceback" not in done.stderr, name
        assert harmless or f"{folder.name} cannot be loaded (UnpicklingError" in done.stderr
