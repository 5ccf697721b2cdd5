"""Runs whose folder is a volume, is renamed or deleted under them, or whose process ends right after its result."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT = """
extends: {root}/recipes/debug/grpo.yaml
max_steps: {steps}
per_device_train_batch_size: 8
data: {{generated: {{train: 40, validation: 10}}}}
diagnostics: off
evaluation: {{after: false}}
save_strategy: steps
save_steps: 2
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "short.yaml"
    path.write_text(SHORT.format(root=ROOT, steps=6))
    return path


@pytest.mark.apart
def test_volumes_of_every_kind_hold_a_run(tmp_path, recipe):
    """A volume, one with lost+found, and one in a root that cannot be written."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here (unshare -m needs root)")
    script = f"""
set -e
mkdir {tmp_path}/plain {tmp_path}/ro
mount -t tmpfs none {tmp_path}/plain
mount -t tmpfs none {tmp_path}/ro
mkdir {tmp_path}/ro/vol
mount -t tmpfs none {tmp_path}/ro/vol
mkdir {tmp_path}/ro/vol/lost+found
mount -o remount,ro {tmp_path}/ro
for place in plain ro/vol; do
  for again in 1 2; do
    {sys.executable} {ROOT}/scripts/grpo.py {recipe} --max_steps 1 --report off --resume never \\
      --output_dir {tmp_path}/$place
  done
  test -f {tmp_path}/$place/result.json
  test -f {tmp_path}/$place/earlier-1/result.json
done
"""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.fixture
def striking(tmp_path, monkeypatch):
    """A task whose grader does something to the output folder, once, after some steps."""

    def make(act: str) -> Path:
        (tmp_path / "striking.py").write_text(
            "import os, shutil, signal\n"
            "from dataclasses import dataclass\n"
            "from pathlib import Path\n"
            "from ratchet.tasks.aquarat.task import AquaRat\n"
            "@dataclass\n"
            "class Striking(AquaRat):\n"
            "    name = 'striking'\n"
            "    def grade(self, completion, row):\n"
            "        if Path('out/checkpoint-2').is_dir() and not Path('struck').exists():\n"
            "            Path('struck').touch()\n"
            f"            {act}\n"
            "        return super().grade(completion, row)\n"
        )
        path = tmp_path / "striking.yaml"
        path.write_text(
            SHORT.format(root=ROOT, steps=6).replace("data: {", 'data: {source: generated, instruction: "", ')
            + "task: striking.py\nrewards: {correctness: {weight: 1.0}}\naudit: off\nreport: off\noutput_dir: out\n"
            + "faults: {reward_workers: 0}\n"
        )
        return path

    return make


def test_a_folder_that_is_renamed_stops_the_run_which_resumes_from_where_it_is(script, tmp_path, striking):
    path = striking("os.rename('out', 'moved')")
    said = script("scripts/grpo.py", str(path), code=75).stderr
    assert "was renamed to" in said and "Step 4 is saved in" in said
    assert (tmp_path / "moved/checkpoint-4").is_dir() and not (tmp_path / "out").exists()
    again = script("scripts/grpo.py", str(path), "--output_dir", "moved").stdout
    assert "after step 4, from moved/checkpoint-4" in again
    assert json.loads((tmp_path / "moved/result.json").read_text())["steps"] == 6


def test_a_folder_that_is_deleted_stops_the_run_which_loses_no_step(script, tmp_path, striking):
    path = striking("shutil.rmtree('out')")
    said = script("scripts/grpo.py", str(path), code=75).stderr
    assert "was deleted while the run was under way" in said and "Step 4 is saved in out" in said
    assert "after step 4, from out/checkpoint-4" in script("scripts/grpo.py", str(path)).stdout
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 6


IN_THE_WEIGHTS = """
import safetensors.torch, transformers.modeling_utils as where
plain = where.safe_save_file
def part(tensors, name, *rest, **more):
    if ("checkpoint-4" in str(name)) == {inside} and not Path("hurt").exists():
        Path("hurt").touch()
        {act}
    plain(tensors, name, *rest, **more)
where.safe_save_file = part
"""


@pytest.mark.parametrize("act", ["os.rename('out', 'moved')", "shutil.rmtree('out')"], ids=["renamed", "deleted"])
def test_a_folder_that_goes_while_the_weights_of_a_checkpoint_are_written(script, tmp_path, striking, act):
    path = striking("pass")
    with (tmp_path / "striking.py").open("a") as file:
        file.write(IN_THE_WEIGHTS.format(inside=True, act=act))
    assert "Step 4 is saved in" in script("scripts/grpo.py", str(path), code=75).stderr
    there = "moved" if (tmp_path / "moved").exists() else "out"
    assert f"after step 4, from {there}" in script("scripts/grpo.py", str(path), "--output_dir", there).stdout


@pytest.mark.parametrize("act", ["os.rename('out', 'moved')", "shutil.rmtree('out')"], ids=["renamed", "deleted"])
def test_a_folder_that_goes_while_the_trained_model_is_written(script, tmp_path, striking, act):
    path = striking("pass")
    with (tmp_path / "striking.py").open("a") as file:
        file.write(IN_THE_WEIGHTS.format(inside=False, act=act))
    assert "under way" in script("scripts/grpo.py", str(path), "--save_strategy", "no", code=75).stderr
    there = "moved" if (tmp_path / "moved").exists() else "out"
    assert "after step 6" in script("scripts/grpo.py", str(path), "--output_dir", there).stdout
    assert json.loads((tmp_path / there / "result.json").read_text())["steps"] == 6
    assert there == "out" or not (tmp_path / "out").exists()


WHILE_SAVING = """
from ratchet.training.callbacks.checkpointing import CheckpointManager
plain = CheckpointManager.{part}
def part(self, *given):
    plain(self, *given)
    if self.trainer.state.global_step == 4 and not Path("hurt").exists():
        Path("hurt").touch()
        {act}
CheckpointManager.{part} = part
"""


@pytest.mark.parametrize("part", ["_make", "_write", "_publish"])
def test_a_folder_that_is_renamed_while_it_is_saved_to_is_saved_to_where_it_is(script, tmp_path, striking, part):
    path = striking("pass")
    with (tmp_path / "striking.py").open("a") as file:
        file.write(WHILE_SAVING.format(part=part, act="os.rename('out', 'moved')"))
    said = script("scripts/grpo.py", str(path), code=75).stderr
    assert "was renamed to" in said and "Step 4 is saved in" in said
    assert (tmp_path / "moved/checkpoint-4").is_dir() and not (tmp_path / "out").exists()
    assert "after step 4, from moved" in script("scripts/grpo.py", str(path), "--output_dir", "moved").stdout


def test_a_folder_that_is_deleted_while_it_is_saved_to_is_made_anew(script, tmp_path, striking):
    path = striking("pass")
    with (tmp_path / "striking.py").open("a") as file:
        file.write(WHILE_SAVING.format(part="_write", act="shutil.rmtree('out')"))
    assert "Step 4 is saved in out" in script("scripts/grpo.py", str(path), code=75).stderr
    assert "after step 4, from out/checkpoint-4" in script("scripts/grpo.py", str(path)).stdout


def test_a_lost_line_saves_the_run_and_under_nohup_it_goes_on(script, tmp_path, striking):
    path = striking("os.kill(os.getpid(), signal.SIGHUP)")
    assert "stopped: SIGHUP: step" in script("scripts/grpo.py", str(path), code=75).stderr
    shutil.rmtree(tmp_path / "out")
    (tmp_path / "struck").unlink()
    ignoring = [sys.executable, "-c", _IGNORING, str(ROOT / "scripts/grpo.py"), str(path)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(ignoring, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0 and (tmp_path / "struck").exists(), done.stderr[-2000:]


# nohup, which leaves standard output alone where it is no terminal
_IGNORING = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGUSR2])
def test_other_signals_that_would_end_a_process_save_it(script, striking, number):
    path = striking(f"os.kill(os.getpid(), {int(number)})")
    assert f"stopped: {number.name}: step" in script("scripts/grpo.py", str(path), code=75).stderr


def test_a_run_that_ended_right_after_its_result_is_finished_by_the_same_command(script, tmp_path, recipe):
    words = ("scripts/grpo.py", str(recipe), "--output_dir", "out", "--save_strategy", "no", "--max_steps", "1")
    script(*words)
    report = (tmp_path / "out/report.html").read_text()
    (tmp_path / "out/report.html").unlink()
    (tmp_path / "out/.left_to_do").touch()
    (tmp_path / "out/checkpoint-1").mkdir()
    said = script(*words).stdout
    assert "the rest is done now" in said and "this run is finished" in said
    assert (tmp_path / "out/report.html").read_text()[:200] == report[:200]
    assert not (tmp_path / "out/.left_to_do").exists() and not (tmp_path / "out/checkpoint-1").exists()
    assert "the rest is done now" not in script(*words).stdout
