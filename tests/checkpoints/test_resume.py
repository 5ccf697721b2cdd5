"""Which checkpoint a run resumes from, by what lies in its folder and what the user says."""

import json
from pathlib import Path

import pytest

from ratchet.checkpoints.origin import origin
from ratchet.checkpoints.resume import HUB, NEVER, Start, ask, choose, leave_later_behind
from ratchet.checkpoints.store import ASIDE, SAVING, Checkpoint, checkpoints, publish, seal, set_aside
from ratchet.errors import UserError
from ratchet.recipe import load_recipe


@pytest.fixture
def recipe(tmp_path):
    """A function that makes a recipe whose output folder is ``out``."""

    def make(**values):
        text = {
            "trainer": "grpo",
            "task": "aquarat",
            "data": {"source": "generated"},
            "model_name_or_path": "ratchet-tiny",
            "rewards": {"correctness": {"weight": 1.0}},
            "output_dir": str(tmp_path / "out"),
            **values,
        }
        (tmp_path / "recipe.yaml").write_text(json.dumps(text))
        return load_recipe(tmp_path / "recipe.yaml", environ={}, to_train=False)

    return make


def save(run: Path, step: int, made_from: dict, *more: str) -> Path:
    """A whole checkpoint, with some more files."""
    folder = run / SAVING / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    (folder / "model.safetensors").write_bytes(bytes([step]) * 100)
    for name in more:
        (folder / name).write_bytes(b"state")
    seal(folder, step=step, **made_from)
    return publish(folder, run).path


@pytest.fixture
def run(recipe, tmp_path):
    """A run with checkpoints of steps 2, 4 and 6."""
    folder, made_from = tmp_path / "out", origin(recipe())
    for step in (2, 4, 6):
        save(folder, step, made_from)
    return folder


def no_hub(recipe):
    raise AssertionError("nobody asked for the Hub")


def chosen(recipe, wanted="latest", allow_changes=False, download=no_hub) -> Start:
    return choose(recipe, wanted, allow_changes, download=download)


def test_a_new_run_begins_with_its_first_step(recipe):
    start = chosen(recipe())
    assert (start.checkpoint, start.finished, start.notes, start.recorded) == (None, None, [], {})


def test_the_newest_whole_checkpoint_is_resumed_from(recipe, run):
    start = chosen(recipe())
    assert start.checkpoint.step == 6 and start.inside(run) and start.recorded["step"] == 6


def test_a_torn_checkpoint_is_set_aside_and_named(recipe, run):
    (run / "checkpoint-6/model.safetensors").write_bytes(b"torn")
    start = chosen(recipe())
    assert start.checkpoint.step == 4
    (note,) = start.notes
    assert note.startswith("checkpoint-6 is not whole: model.safetensors has 4 bytes instead of 100; moved it to ")
    assert (run / ASIDE / "checkpoint-6/model.safetensors").read_bytes() == b"torn"


def test_never_looks_at_nothing(recipe, run):
    assert chosen(recipe(), NEVER) == Start()


@pytest.mark.parametrize("wanted", ["4", "folder"])
def test_a_step_or_a_folder_can_be_named(recipe, run, wanted):
    start = chosen(recipe(), str(run / "checkpoint-4") if wanted == "folder" else wanted)
    assert start.checkpoint == Checkpoint(run / "checkpoint-4", 4) and start.inside(run)


def test_the_hub_is_asked_when_the_user_says_so(recipe, run):
    assert chosen(recipe(), HUB, download=lambda recipe: run / "checkpoint-2").checkpoint.step == 2


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("5", r"checkpoint-5 is no checkpoint .*has steps 6, 4, 2"),
        ("nowhere", "nowhere is no checkpoint"),
        ("true", "--resume takes latest, never, hub, a step"),
    ],
)
def test_what_is_no_checkpoint_is_said(recipe, run, wanted, says):
    with pytest.raises(UserError, match=says):
        chosen(recipe(), wanted)


def test_a_named_checkpoint_that_is_torn_is_refused(recipe, run):
    (run / "checkpoint-4/model.safetensors").unlink()
    with pytest.raises(UserError, match="checkpoint-4 is not whole: model.safetensors is missing"):
        chosen(recipe(), "4")


def test_another_recipe_is_asked_about(recipe, run):
    with pytest.raises(UserError, match="stopped at step 6") as refused:
        chosen(recipe(learning_rate=0.5))
    lines = str(refused.value).splitlines()
    assert lines[1] == "  recipe  learning_rate: not set, now 0.5"
    assert "--resume-anyway" in lines[-1] and "--resume never" in lines[-1]


def test_another_recipe_is_resumed_with_when_allowed(recipe, run):
    start = chosen(recipe(learning_rate=0.5), allow_changes=True)
    assert start.checkpoint.step == 6 and start.allow_changes
    assert start.notes == ["resumes although it differs: recipe learning_rate: not set, now 0.5"]


def test_nothing_is_asked_where_nothing_changed(run):
    start = Start(Checkpoint(run / "checkpoint-6", 6))
    ask(start, [])
    assert start.notes == []


def finish(run: Path, made_from: dict | None) -> None:
    (run / "result.json").write_text('{"steps": 6}')
    (run / "run.json").write_text(json.dumps({"origin": made_from}))


def test_a_finished_run_of_the_same_recipe_has_nothing_to_do(recipe, run):
    finish(run, {**origin(recipe()), "code": {"tasks/other.py": "newer code finishes nothing again"}})
    assert chosen(recipe()).finished == {"steps": 6}


def test_a_finished_run_of_another_recipe_is_left_for_a_new_one(recipe, run):
    finish(run, origin(recipe(learning_rate=0.5)))
    assert chosen(recipe()) == Start()


def test_a_finished_run_of_another_recipe_is_resumed_when_allowed(recipe, run):
    finish(run, origin(recipe(learning_rate=0.5)))
    assert chosen(recipe(), allow_changes=True).checkpoint.step == 6


def test_a_result_of_unknown_origin_is_not_this_runs(recipe, run):
    finish(run, None)
    assert chosen(recipe()).finished is None


def test_another_runs_checkpoint_starts_a_new_run(recipe, run, tmp_path):
    start = chosen(recipe(output_dir=str(tmp_path / "new")), str(run / "checkpoint-4"))
    assert start.checkpoint.step == 4 and not start.inside(tmp_path / "new")


@pytest.mark.parametrize("name", ["optimizer.bin", "global_step4", "pytorch_model_fsdp_0", "optimizer_0"])
def test_pickles_of_another_run_are_refused_unless_they_are_trusted(recipe, tmp_path, name):
    other = save(tmp_path / "other", 4, origin(recipe()), name)
    with pytest.raises(UserError, match=f"holds {name}, which DeepSpeed and FSDP read as pickles"):
        chosen(recipe(), str(other))
    assert chosen(recipe(), str(other), allow_changes=True).checkpoint.step == 4


def test_pickles_that_nothing_reads_are_no_danger(recipe, tmp_path):
    other = save(tmp_path / "other", 4, origin(recipe()), "training_args.bin", "optimizer.pt")
    assert chosen(recipe(), str(other)).checkpoint.step == 4


def test_a_checkpoint_without_a_manifest_cannot_be_checked(recipe, run):
    (run / "checkpoint-4/manifest.json").unlink()
    assert "has no manifest" in chosen(recipe(), "4").notes[0]


def test_a_checkpoint_that_was_set_aside_can_be_taken_back(recipe, run):
    aside = set_aside(run / "checkpoint-4")
    start = chosen(recipe(), str(aside))
    assert start.checkpoint.path == run / "checkpoint-4" and not aside.exists()


def test_a_checkpoint_is_not_taken_back_over_another(recipe, run):
    aside = set_aside(run / "checkpoint-4")
    save(run, 4, origin(recipe()))
    with pytest.raises(UserError, match="is there too"):
        chosen(recipe(), str(aside))


def test_later_checkpoints_are_left_behind(run):
    sentences = leave_later_behind(run, Checkpoint(run / "checkpoint-2", 2))
    assert sentences == [f"moved what came after step 2 to {run / ASIDE}: checkpoint-4, checkpoint-6"]
    assert [checkpoint.step for checkpoint in checkpoints(run)] == [2]
    assert leave_later_behind(run, Checkpoint(run / "checkpoint-2", 2)) == []
