"""What is launched, resolved from a command line."""

import pytest

from ratchet.errors import UserError
from ratchet.launch.request import LaunchRequest, dotenv, launch_of, masked, repository
from ratchet.models import locate
from ratchet.plan.placement import read_placement


def _request(**options):
    return LaunchRequest("recipes/aquarat.yaml", (), options)


def _launch(root, *overrides, config="single_gpu"):
    path = str(root / f"accelerate_configs/{config}.yaml")
    return launch_of(root / "recipes/aquarat.yaml", overrides, path, None, None, {})


@pytest.mark.parametrize("text", ["-1", "many", "nan", "inf"])
def test_a_number_has_to_be_one(text):
    with pytest.raises(UserError, match=r"--server-wait takes a number from 0 on, not"):
        _request(server_wait=text).number("server_wait", 900.0)


def test_a_number_has_its_defaults_type():
    assert _request(wait="2").number("wait", 1.5) == 2.0
    assert _request(nodes="2").number("nodes", None) == 2
    assert _request().number("nodes", None) is None


def test_a_required_option_says_what_it_means():
    with pytest.raises(UserError, match="--max-price is required: USD"):
        _request().require(max_price="USD")
    with pytest.raises(UserError, match="(?s)--flavor is required.*--timeout is required"):
        _request().require(flavor="the hardware", timeout="how long")
    _request(max_price="1").require(max_price="USD")


def test_resuming_is_passed_on_to_the_script(root):
    config = str(root / "accelerate_configs/single_gpu.yaml")
    options = {"config_file": config, "resume": "latest", "resume_anyway": "true"}
    launch = LaunchRequest(str(root / "recipes/aquarat.yaml"), (), options).launch({})
    assert launch.extra == ("--resume", "latest", "--resume-anyway")
    assert launch.accelerate("r.yaml")[-4:] == ["r.yaml", "--resume", "latest", "--resume-anyway"]


def test_another_machine_has_recipe_and_configuration_beside_the_script(root):
    words = _launch(root).accelerate_elsewhere("scripts/grpo.py")
    assert (
        words
        == "accelerate launch --config_file accelerate.yaml --num_processes 1 scripts/grpo.py recipe.yaml".split()
    )


def test_the_number_of_gpus_has_to_be_a_multiple_of_the_recipes(root):
    launch = _launch(root, ("vllm_mode", "server"), ("vllm_tensor_parallel_size", "4"))
    assert launch.parallel(8) == 4
    with pytest.raises(UserError, match="4 does not divide the 6 GPUs"):
        launch.parallel(6)


def test_what_would_not_run_is_refused_before_anything_starts(root):
    with pytest.raises(UserError, match="this would not run on"):
        _launch(root, ("num_generations", "7"))


def test_the_repository_is_above_the_configuration(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    placement = read_placement(root / "accelerate_configs/cpu.yaml")
    assert repository(placement) == root
    (tmp_path / "cpu.yaml").write_text((root / "accelerate_configs/cpu.yaml").read_text())
    with pytest.raises(UserError, match="type this in the folder of the repository"):
        repository(read_placement(tmp_path / "cpu.yaml"))


@pytest.mark.parametrize(
    ("line", "found"),
    [("A=1", {"A": "1"}), ("export A='x y' # why", {"A": "x y"}), ("A=", {}), ("# A=1", {}), ("", {})],
)
def test_a_dotenv_line_is_read_as_a_shell_would(tmp_path, line, found):
    (tmp_path / ".env").write_text(line + "\n")
    assert dotenv(tmp_path, {}) == found


def test_short_values_are_no_secrets_to_mask():
    assert masked("on 1", {"X_TOKEN": "1"}) == "on 1"


@pytest.mark.parametrize(
    ("overrides", "served"),
    [
        ((), ["Qwen/Qwen3-1.7B"]),
        ((("model_revision", "abc"),), ["Qwen/Qwen3-1.7B", "--revision", "abc"]),
        ((("model_name_or_path", "me/model@step-000100"),), ["me/model", "--revision", "step-000100"]),
        ((("model_name_or_path", "ratchet-tiny"),), [locate("ratchet-tiny")]),
    ],
)
def test_a_server_gets_the_model_that_is_trained(root, overrides, served):
    words = _launch(root, *overrides).serve(1)
    assert words[: 2 + len(served)] == ["vllm", "serve", *served]
    assert ("--revision" in words) is ("--revision" in served)
