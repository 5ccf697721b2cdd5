"""Pushing while the Hub fails, and going on from it: the real client over real HTTP against a stand-in."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

spec = importlib.util.spec_from_file_location("hub_server", Path(__file__).resolve().parents[1] / "hub_server.py")
hub_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hub_server)

PUSH = (
    "--push_to_hub true --hub_model_id me/model --hub_strategy checkpoint --save_strategy steps --save_steps 2 "
    "--max_steps 4 --report off --evaluation.max_rows 4 --output_dir out"
)


@pytest.fixture
def hub():
    return hub_server.Hub()


def push(script, hub, *more: str, **options):
    return script("scripts/grpo.py", "recipes/debug/grpo.yaml", *PUSH.split(), *more, **hub.environ(), **options)


@pytest.fixture(scope="module")
def pushed(tmp_path_factory, finish, root):
    """A run that was pushed as it went: its folder, the Hub, and what it printed."""
    place, hub = tmp_path_factory.mktemp("pushed"), hub_server.Hub()
    words = [
        sys.executable,
        str(root / "scripts/grpo.py"),
        str(root / "recipes/debug/grpo.yaml"),
        *PUSH.split(),
        "--eval_strategy",
        "steps",
    ]
    done = finish([*words, "--eval_steps", "2"], place, 600, **hub.environ())
    assert done.returncode == 0, done.stderr
    return place / "out", hub, done.stdout


HOME = (
    "diagnostics",
    "data",
    "_",
    "training_args.bin",
    "run.json",
    "checkpoint-",
    "trainer_state",
    "optimizer",
    "report",
    "audit",
    "manifest",
)


def test_the_trained_model_is_on_main_and_nothing_that_belongs_at_home(pushed):
    run, hub, said = pushed
    assert "pushed to me/model" in said and hub.private["me/model"]
    files = {path: data for path, data in hub.files("me/model").items() if not path.startswith("last-checkpoint/")}
    assert {
        "model.safetensors",
        "README.md",
        "tokenizer.json",
        "recipe.yaml",
        "result.json",
        "chat_template.jinja",
    } <= set(files)
    assert [path for path in files if path.startswith(HOME)] == []
    assert files["model.safetensors"] == (run / "model.safetensors").read_bytes()


def test_every_checkpoint_has_a_revision_of_its_own_with_its_own_weights_and_card(pushed):
    run, hub, _ = pushed
    assert set(hub.branches["me/model"]) == {"main", "step-000002", "step-000004"}
    for step in (2, 4):
        files = hub.files("me/model", f"step-{step:06d}")
        assert files["model.safetensors"] == (run / f"checkpoint-{step}/model.safetensors").read_bytes()
        assert (
            f"{step} optimiser steps" in files["README.md"].decode()
            and "| after training |" in files["README.md"].decode()
        )
        assert [path for path in files if path.startswith((*HOME, "last-checkpoint"))] == []
    assert not (run / "_pushing").exists() or not any((run / "_pushing").iterdir())


def test_no_file_that_is_published_by_itself_is_a_pickle(pushed):
    _, hub, _ = pushed
    published = [
        path
        for files in hub.branches["me/model"].values()
        for path in files
        if not path.startswith("last-checkpoint/")
    ]
    assert not [path for path in published if path.endswith((".bin", ".pt", ".pth", ".pkl"))]


def test_what_was_pushed_loads_from_the_hub_with_the_same_weights(pushed, tmp_path, finish):
    run, hub, _ = pushed
    code = (
        "import sys; from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "for revision, folder in (('main', '.'), ('step-000002', 'checkpoint-2')):\n"
        "    one = AutoModelForCausalLM.from_pretrained('me/model', revision=revision).state_dict()\n"
        "    two = AutoModelForCausalLM.from_pretrained(f'{sys.argv[1]}/{folder}').state_dict()\n"
        "    assert one.keys() == two.keys() and all(one[k].equal(two[k]) for k in one)\n"
        "    assert AutoTokenizer.from_pretrained('me/model', revision=revision).chat_template\n"
        "print('the same')"
    )
    done = finish(
        [sys.executable, "-c", code, str(run)], tmp_path, 300, HF_HOME=str(tmp_path / "cache"), **hub.environ()
    )
    assert "the same" in done.stdout, done.stderr


def test_the_snippet_of_the_card_runs(pushed, tmp_path, finish):
    _, hub, _ = pushed
    (snippet,) = re.findall(r"```python\n(.*?)```", hub.files("me/model")["README.md"].decode(), re.DOTALL)
    done = finish([sys.executable, "-c", snippet], tmp_path, 300, HF_HOME=str(tmp_path / "cache"), **hub.environ())
    assert done.returncode == 0 and done.stdout.strip(), done.stderr


def test_the_run_goes_on_from_the_hub(pushed, script, tmp_path):
    run, hub, _ = pushed
    again = push(script, hub, "--resume", "hub", "--eval_strategy", "steps", "--eval_steps", "2")
    assert "resumes     after step 4, from out/checkpoint-4" in again.stdout
    assert (tmp_path / "out/model.safetensors").read_bytes() == (run / "model.safetensors").read_bytes()


@pytest.mark.apart
def test_a_hub_that_fails_for_a_while_costs_warnings_only(script, tmp_path, hub):
    hub.faults += [500, 0, 429, 503, "half", 500, 0, 500, 500, "half", 500, 500]
    done = push(script, hub)
    assert "it is retried while training continues" in done.stdout and "pushed to me/model" in done.stdout
    assert "last-checkpoint/manifest.json" in hub.files("me/model")
    assert (
        hub.files("me/model", "step-000002")["model.safetensors"]
        == (tmp_path / "out/checkpoint-2/model.safetensors").read_bytes()
    )


FULL = (403, "Private repository storage limit reached, please upgrade your plan")
REFUSALS = {"expired": 401, "full": FULL, "forbidden": (403, "Forbidden"), "unreachable": None}


@pytest.mark.parametrize(
    "fault",
    ["full", "unreachable", *(pytest.param(name, marks=pytest.mark.slow) for name in ("expired", "forbidden"))],
)
def test_what_could_not_be_pushed_is_said_and_pushed_later(script, tmp_path, hub, fault):
    if fault != "unreachable":
        hub.faults += [REFUSALS[fault]] * 1000
    else:
        hub.http.shutdown()
        hub.http.server_close()
    done = push(script, hub, "--hub_strategy", "every_save", "--faults.upload_wait", "4")
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 4
    assert (
        "warning: step-000002, step-000004, main could not be pushed to me/model" in done.stdout
        and "ratchet push out" in done.stdout
    )
    said = {
        "expired": "does not accept the token",
        "full": "has no room left for me/model",
        "forbidden": "may not write to me/model",
    }
    assert said.get(fault, "could not be pushed") in done.stdout and "Traceback" not in done.stderr
    if fault != "unreachable":
        hub.faults.clear()
        later = script("ratchet", "push", "out", **hub.environ())
        assert "pushed to me/model" in later.stdout and set(hub.branches["me/model"]) == {
            "main",
            "step-000002",
            "step-000004",
        }


def test_a_dry_run_prints_what_would_be_pushed_and_that_alone_is_pushed(pushed, script, tmp_path):
    run = shutil.copytree(pushed[0], tmp_path / "run")
    hub = hub_server.Hub()
    dry = script("ratchet", "push", "run", "--repo", "me/other", "--dry-run", **hub.environ())
    assert hub.requests == [] and not (run / "_pushing").exists()
    script("ratchet", "push", "run", "--repo", "me/other", **hub.environ())
    blocks = [block.splitlines() for block in re.split(r"\n(?! )", dry.stdout.strip())[1:]]
    told = {head.split(":")[0]: {line.split()[-1] for line in lines} for head, *lines in blocks}
    assert 'model="me/other"' in hub.files("me/other")["README.md"].decode()
    assert told == {branch: set(files) - {".gitattributes"} for branch, files in hub.branches["me/other"].items()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("other/model", "this account may not write to other/model"),
        ("a b", "--repo: Repo id must"),
        ("bad//name", "--repo: Repo id must"),
    ],
)
def test_a_repository_that_cannot_be_ours_is_said(pushed, script, tmp_path, hub, name, said):
    shutil.copytree(pushed[0], tmp_path / "run")
    done = script("ratchet", "push", "run", "--repo", name, code=2, **hub.environ())
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_secret_is_not_published(pushed, script, tmp_path, hub):
    run = shutil.copytree(pushed[0], tmp_path / "run")
    with (run / "README.md").open("a") as card:
        card.write("\nuse hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345\n")
    done = script("ratchet", "push", "run", code=2, **hub.environ())
    assert "run/README.md:" in done.stderr and "looks like a secret" in done.stderr and hub.requests == []


def test_a_card_that_the_hub_refuses_is_said(pushed, script, tmp_path, hub):
    run = shutil.copytree(pushed[0], tmp_path / "run")
    card = (run / "README.md").read_text()
    (run / "README.md").write_text(card.replace("library_name: transformers", "library_name: [1]"))
    done = script("ratchet", "push", "run", code=2, **hub.environ())
    assert '"library_name" must be a string' in done.stderr and "Traceback" not in done.stderr


def test_a_folder_that_is_no_run_is_said(script, tmp_path):
    assert "it has no recipe.yaml" in script("ratchet", "push", str(tmp_path), code=2).stderr


def test_a_hub_without_a_checkpoint_is_said(script, hub):
    hub.create({"name": "model"})
    assert "me/model has no last-checkpoint/" in push(script, hub, "--resume", "hub", code=2).stderr


def test_a_repository_that_is_not_there_is_said(script, hub):
    done = push(script, hub, "--resume", "hub", code=2)
    assert (
        "me/model could not be had from the Hub: me/model is not on the Hub" in done.stderr
        and "Traceback" not in done.stderr
    )


def model_index(card: bytes) -> dict[tuple[str, str], dict]:
    found = yaml.safe_load(card.decode().split("---\n")[1])["model-index"][0]["results"]
    return {(entry["dataset"]["name"], entry["dataset"]["split"]): entry["metrics"][0] for entry in found}


WATCHED = ("--hub_strategy", "every_save", "--publish.split", "test", "--data.generated.test", "12")


@pytest.mark.apart
def test_saved_checkpoints_are_evaluated_beside_and_their_cards_hold_it(script, tmp_path, hub):
    done = push(script, hub, *WATCHED, "--publish.evaluate", "local", "--save_total_limit", "1")
    assert re.findall(r"step +(\d+)  evaluated: accuracy", done.stdout) == ["2", "4"]
    for step in (2, 4):
        found = json.loads((tmp_path / f"out/evaluations/evaluation-aquarat-step-{step:06d}.json").read_text())
        there = model_index(hub.files("me/model", f"step-{step:06d}")["README.md"])["generated word problems", "test"]
        assert (
            there["value"] == round(found["accuracy"], 4)
            and there["args"]["n"] == found["n"] == 4
            and found["step"] == step
        )
    assert not (tmp_path / "out/_evaluating").exists()
    table = script("ratchet", "results", "out", "--json", "all.json").stdout
    listed = {(one["step"], one["split"]) for one in json.loads((tmp_path / "all.json").read_text())}
    assert listed == {(2, "test"), (4, "test"), (4, "validation")} and "ratchet evaluate" in table


@pytest.mark.apart
def test_saved_checkpoints_are_evaluated_by_slurm(script, tmp_path, hub):
    """With an sbatch that runs the job at once."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sbatch").write_text(
        '#!/bin/sh\nbash "$1" > "$1.out" 2>&1 || { cat "$1.out" >&2; exit 1; }\necho "Submitted batch job 7"\n'
    )
    (tmp_path / "bin/sbatch").chmod(0o755)
    options = ("--publish.evaluate", "slurm", "--publish.options", "[--gres=gpu:1, --time=0:30:00]")
    done = script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        *PUSH.replace("--push_to_hub true ", "").split(),
        *WATCHED,
        *options,
        PATH=f"{tmp_path}/bin:/usr/bin:/bin",
    )
    assert done.stdout.count("Submitted batch job 7") == 2
    job = (tmp_path / "out/evaluations/evaluation-aquarat-step-000002.sbatch").read_text()
    assert "#SBATCH --gres=gpu:1\n#SBATCH --time=0:30:00\n" in job and shutil.which("bash")
    assert json.loads((tmp_path / "out/evaluations/evaluation-aquarat-step-000002.json").read_text())["n"] == 4


def test_without_slurm_the_command_is_told_and_training_goes_on(script, tmp_path):
    words = PUSH.replace("--push_to_hub true ", "").split()
    done = script(
        "scripts/grpo.py",
        "recipes/debug/grpo.yaml",
        *words,
        *WATCHED,
        "--publish.evaluate",
        "slurm",
        PATH=str(tmp_path),  # a machine may have Slurm
    )
    assert (
        "warning: step 2 could not be evaluated: there is no sbatch here" in done.stdout
        and "ratchet evaluate" in done.stdout
    )
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 4


def test_saved_checkpoints_are_evaluated_by_jobs_on_the_hub(script, hub):
    done = push(
        script,
        hub,
        *WATCHED,
        "--publish.evaluate",
        "hf-jobs",
        "--publish.source",
        "git+https://example.org/ratchet",
        "--publish.flavor",
        "t4-small",
    )
    assert [job["flavor"] for job in hub.jobs] == [
        "t4-small"
    ] * 2 and "job 1 evaluates step-000002 on t4-small" in done.stdout
    line = hub.jobs[0]["command"][-1]
    assert "hf download me/model --revision step-000002" in line and "--publish me/model@step-000002" in line
    assert hub.jobs[0]["secrets"] == {"HF_TOKEN": "hf_of_a_test"} and "hf_of_a_test" not in done.stdout + line


def test_a_job_on_the_hub_needs_something_to_install(script):
    done = script("scripts/grpo.py", "recipes/debug/grpo.yaml", "--publish.evaluate", "hf-jobs", code=2)
    assert "hf-jobs needs push_to_hub: true, and publish.source" in done.stderr


@pytest.mark.apart
def test_an_evaluation_is_published_by_hand(pushed, script, tmp_path):
    run, hub, _ = pushed
    shutil.copytree(run, tmp_path / "out")
    words = (
        "ratchet",
        "evaluate",
        "out/recipe.yaml",
        "--model",
        "out",
        "--split",
        "test",
        "--data.generated.test",
        "8",
    )
    done = script(*words, "--publish", "me/model@step-000004", HF_HOME=str(tmp_path / "cache"), **hub.environ())
    assert "published on me/model (step-000004)" in done.stdout
    files = hub.files("me/model", "step-000004")
    assert "evaluation-aquarat-test.json" in files and {split for _, split in model_index(files["README.md"])} == {
        "validation",
        "test",
    }
    assert ("generated word problems", "test") in model_index((tmp_path / "out/README.md").read_bytes())
    wrong = script(*words, "--publish", "me/model@step-9", code=2, HF_HOME=str(tmp_path / "cache"), **hub.environ())
    assert (
        "--publish: me/model@step-9: me/model has no such revision" in wrong.stderr and "Traceback" not in wrong.stderr
    )


def test_nothing_evaluated_is_said(script, tmp_path):
    assert "nothing below" in script("ratchet", "results", str(tmp_path), code=2).stderr
    assert "there is no folder outputs" in script("ratchet", "results", code=2).stderr
