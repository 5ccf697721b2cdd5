"""Every place keeps the protocol, and the command line knows its options."""

import pytest

from ratchet.errors import UserError
from ratchet.launch.places import COMMON, FLAGS, OPTIONS, PLACES, LaunchRequest, run


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_named_as_it_is_registered(name):
    place = PLACES[name]
    assert place.name == name
    assert place.flags <= set(place.takes) <= set(OPTIONS)
    assert not set(place.takes) & set(COMMON)
    for method in ("manage", "read", "launch", "check", "render", "start"):
        assert callable(getattr(place, method))


@pytest.mark.parametrize("name", PLACES)
def test_only_lambda_does_something_without_a_recipe(name):
    assert PLACES[name].manage(LaunchRequest(None, (), {}), {}) is None


def test_flags_are_options():
    assert set(FLAGS) <= set(OPTIONS)


def test_an_option_of_two_places_is_answered_with_both():
    with pytest.raises(UserError, match="--detach is for --on local, lambda, sky and hf-jobs, not for slurm"):
        run(LaunchRequest("r.yaml", (), {"on": "slurm", "detach": "true"}))


def test_a_dry_run_masks_secrets(root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    monkeypatch.setenv("HF_TOKEN", "tokenfordemo")
    options = {"on": "local", "dry_run": "true"}
    assert run(LaunchRequest("recipes/demo.yaml", (("output_dir", "outputs/tokenfordemo"),), options)) == 0
    assert "outputs/<HF_TOKEN>" in capsys.readouterr().out
