"""What a run writes and downloads."""

import pytest

from ratchet.plan.disk import disk, download
from ratchet.plan.memory import states
from ratchet.recipe import load_recipe


def _recipe(root, *overrides):
    return load_recipe(root / "recipes/aquarat.yaml", overrides, environ={"WORLD_SIZE": "1"}, to_train=False)


EVERY_10 = (("save_strategy", "steps"), ("save_steps", "10"))


def _checkpoints(root, job, steps, *overrides):
    written = disk(_recipe(root, *EVERY_10, ("save_only_model", "true"), *overrides), job(), steps)
    return written["checkpoints"] / written["model"]


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        ((("save_total_limit", "2"),), 3),  # one more while the next is written
        ((("save_total_limit", "2"), ("checkpointing.keep_every", "50")), 5),
        ((("save_total_limit", "null"),), 10),
    ],
)
def test_retention_decides_the_number_of_checkpoints(root, job, overrides, kept):
    assert _checkpoints(root, job, 100, *overrides) == kept


def test_the_optimisers_states_go_into_checkpoints(root, job):
    whole, model = (
        disk(_recipe(root, *EVERY_10, ("save_only_model", only)), job(), 100)["checkpoints"]
        for only in ("false", "true")
    )
    assert (whole - model) % states(job()) == 0
    assert whole > model


def test_nothing_is_kept_where_nothing_is_saved(root, job):
    assert "checkpoints" not in disk(_recipe(root, ("save_strategy", "no")), job(), 100)


def test_only_models_of_the_hub_are_downloaded(root, job):
    assert download(_recipe(root), job()) == 2 * job().shape.parameters
    assert download(_recipe(root, ("model_name_or_path", "./outputs/x")), job()) == 0
