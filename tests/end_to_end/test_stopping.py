"""Runs that are stopped, killed, or run out of room: the same command goes on, and nothing that was whole is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from warm import Warm

ROOT = Path(__file__).resolve().parents[2]
ENV = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
LONG = (
    "--report",
    "off",
    "--save_strategy",
    "steps",
    "--save_steps",
    "2",
    "--evaluation.max_rows",
    "8",
    "--max_steps",
    "14",
    "--output_dir",
    "out",
)
GRPO = [sys.executable, str(ROOT / "scripts/grpo.py"), str(ROOT / "recipes/debug/grpo.yaml"), *LONG]
TWO = [
    sys.executable,
    "-m",
    "accelerate.commands.launch",
    "--config_file",
    str(ROOT / "accelerate_configs/cpu2.yaml"),
    "--main_process_port",
    "0",
]


class Running:
    """A training process that tests talk to while it runs."""

    def __init__(self, folder: Path, words: list[str]):
        self.log = (folder / "console.txt").open("a+", encoding="utf-8")
        self.start = self.log.seek(0, 2)
        if words[1].endswith(".py"):
            self.process = Warm(words[1:], folder, *[folder / "console.txt"] * 2)
        else:
            self.process = subprocess.Popen(
                words, cwd=folder, env=ENV, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def text(self) -> str:
        self.log.seek(self.start)
        return self.log.read()

    def wait_for(self, text: str, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while text not in self.text():
            assert self.process.poll() is None and time.monotonic() < until, self.text()[-3000:]
            time.sleep(0.02)

    def ends(self, seconds: float = 120) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (folder / "out").glob("checkpoint-*"))


def test_a_stopped_run_goes_on_by_the_same_command_and_a_finished_one_has_nothing_to_do(tmp_path):
    first = Running(tmp_path, GRPO)
    first.wait_for("step     5/14")
    first.process.send_signal(signal.SIGTERM)
    assert first.ends() == 75
    assert (
        "SIGTERM: finishing the step under way and saving, 25 s at most" in first.text()
        and "Traceback" not in first.text()
    )
    last = steps(tmp_path)[-1]
    assert f"stopped: SIGTERM: step {last} is finished and saved" in first.text()
    second = Running(tmp_path, GRPO)
    assert second.ends() == 0
    assert f"resumes     after step {last}, from out/checkpoint-{last}" in second.text()
    result = (tmp_path / "out/result.json").read_text()
    third = Running(tmp_path, GRPO)
    assert third.ends() == 0
    assert "this run is finished (14 steps" in third.text() and (tmp_path / "out/result.json").read_text() == result


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    """A run that was interrupted from a terminal after some checkpoints."""
    folder = tmp_path_factory.mktemp("stopped")
    run = Running(folder, GRPO)
    run.wait_for("step     7/14")
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.ends() == 75
    return folder


def gone_on(stopped: Path, tmp_path: Path, *more: str, harm=lambda out: None) -> tuple[int, str]:
    shutil.copytree(stopped / "out", tmp_path / "out")
    harm(tmp_path / "out")
    run = Running(tmp_path, [*GRPO, *more])
    return run.ends(), run.text()


def test_another_recipe_is_asked_about(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, "--learning_rate", "1e-3")
    assert code == 2 and "recipe  learning_rate: 1e-05, now 0.001" in said and "--resume-anyway" in said
    assert steps(tmp_path) == steps(stopped) and not list(tmp_path.glob("out.old*"))


def test_another_recipe_goes_on_when_told_so(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, "--learning_rate", "1e-3", "--resume-anyway")
    assert code == 0 and "resumes although it differs: recipe learning_rate" in said


def as_if(**changes):
    """Make the checkpoints say that they were made from something else; of a mapping the entries given."""

    def rewrite(out: Path) -> None:
        for path in out.glob("checkpoint-*/manifest.json"):
            manifest = json.loads(path.read_text())
            for key, value in changes.items():
                manifest[key] = {**manifest[key], **value} if isinstance(value, dict) else value
            path.write_text(json.dumps(manifest))

    return rewrite


def test_other_rows_are_asked_about(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, harm=as_if(data="other"))
    assert code == 2 and "data    the training rows are others" in said


def test_other_code_is_named(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, harm=as_if(code={"tasks/aquarat/task.py": "0"}))
    assert code == 2 and "code    tasks/aquarat/task.py was changed" in said


def test_another_version_is_said_and_goes_on(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, harm=as_if(versions={"trl": "1.15.0"}))
    assert code == 0 and "not exact: trl 1.15.0 then, " in said


def test_a_checkpoint_of_the_model_alone_is_said_and_goes_on(tmp_path):
    first = Running(tmp_path, [*GRPO, "--save_only_model", "true"])
    first.wait_for("step     3/14")
    first.process.send_signal(signal.SIGTERM)
    assert first.ends() == 75
    again = Running(tmp_path, [*GRPO, "--save_only_model", "true"])
    assert again.ends() == 0 and "not exact: the checkpoint holds no optimiser" in again.text()


def test_another_number_of_processes_is_said_and_goes_on(stopped, tmp_path):
    shutil.copytree(stopped / "out", tmp_path / "out")
    run = Running(tmp_path, [*TWO, *GRPO[1:], "--per_device_train_batch_size", "8", "--resume-anyway"])
    assert run.ends() == 0
    assert "not exact: processes: 1 then, 2 now" in run.text()
    assert json.loads((tmp_path / "out/result.json").read_text())["steps"] == 14


def test_torn_checkpoints_are_set_aside_by_name(stopped, tmp_path):
    newest = steps(stopped)[-1]

    def tear(out: Path) -> None:
        (out / f"checkpoint-{newest}/optimizer.pt").write_bytes(b"torn")
        (out / "_saving/checkpoint-99").mkdir(parents=True)

    code, said = gone_on(stopped, tmp_path, harm=tear)
    assert code == 0
    assert f"checkpoint-{newest} is not whole: optimizer.pt has 4 bytes" in said
    assert "the save of checkpoint-99 was not finished when the run ended; took it away" in said
    assert f"from out/checkpoint-{steps(stopped)[-2]}" in said
    assert (tmp_path / f"out/_set_aside/checkpoint-{newest}/optimizer.pt").read_bytes() == b"torn"


def test_a_run_goes_back_to_a_step_and_leaves_later_ones_aside(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, "--resume", "4")
    assert (
        code == 0
        and "after step 4, from out/checkpoint-4" in said
        and "moved what came after step 4 to out/_set_aside" in said
    )


def test_a_new_run_begins_from_the_checkpoint_of_another(stopped, tmp_path):
    run = Running(tmp_path, [*GRPO[:-1], "new", "--resume", str(stopped / "out/checkpoint-4")])
    assert run.ends() == 0
    assert (
        not (tmp_path / "new/checkpoint-4").exists()
        and json.loads((tmp_path / "new/result.json").read_text())["steps"] == 14
    )


def test_never_moves_the_stopped_run_aside(stopped, tmp_path):
    code, said = gone_on(stopped, tmp_path, "--resume", "never", "--max_steps", "1")
    assert code == 0 and "goes on" not in said
    assert (tmp_path / "out.old-1/checkpoint-4").is_dir()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("99", "out/checkpoint-99 is no checkpoint"),
        ("nowhere", "nowhere is no checkpoint"),
        ("hub", "needs hub_model_id"),
        ("", "takes latest, never, hub"),
    ],
)
def test_a_checkpoint_that_is_not_there_is_named(stopped, tmp_path, wanted, says):
    code, said = gone_on(stopped, tmp_path, "--resume", *([wanted] if wanted else []))
    assert code == 2 and says in said and "Traceback" not in said
    assert steps(tmp_path) == steps(stopped)


def test_a_second_signal_leaves_at_once_and_harms_nothing(tmp_path):
    run = Running(
        tmp_path, [*GRPO, "--evaluation.before", "true", "--evaluation.samples", "512"]
    )  # an evaluation that takes long
    run.wait_for("checkpoints about")
    run.process.send_signal(signal.SIGTERM)
    run.wait_for("finishing the step under way")
    time.sleep(1.2)
    run.process.send_signal(signal.SIGTERM)
    assert run.ends(20) == 75
    assert "SIGTERM again: leaving at once" in run.text()


def test_a_step_that_does_not_end_is_left_after_the_grace(tmp_path):
    run = Running(
        tmp_path, [*GRPO, "--evaluation.before", "true", "--evaluation.samples", "512", "--checkpointing.grace", "1"]
    )
    run.wait_for("checkpoints about")
    run.process.send_signal(signal.SIGUSR1)
    assert run.ends(20) == 75
    assert "the step did not end within 1 s; leaving without it" in run.text()


@pytest.mark.apart
def test_both_processes_of_a_run_save_when_its_launcher_is_told_to_stop(tmp_path):
    run = Running(tmp_path, [*TWO, *GRPO[1:], "--per_device_train_batch_size", "8"])
    run.wait_for("step     5/14")
    run.process.send_signal(signal.SIGTERM)
    assert run.ends() != 0  # the launcher's own code
    last = steps(tmp_path)[-1]
    assert f"stopped: SIGTERM: step {last} is finished and saved" in run.text()
    assert {"ratchet_state_0.pt", "ratchet_state_1.pt", "rng_state_0.pth", "rng_state_1.pth"} <= {
        p.name for p in (tmp_path / f"out/checkpoint-{last}").iterdir()
    }
    again = Running(tmp_path, [*TWO, *GRPO[1:], "--per_device_train_batch_size", "8"])
    assert again.ends() == 0 and f"after step {last}" in again.text()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def on_disk(place: Path, *more: str) -> list[str]:
    return [*GRPO[:-1], str(place / "out"), "--save_steps", "1", *more]


def test_a_full_disk_costs_no_checkpoint_and_the_run_waits_for_room(tmp_path, small_disk):
    run = Running(tmp_path, on_disk(small_disk, "--checkpointing.wait_for_space", "60", "--max_steps", "5"))
    run.wait_for("waiting ")
    whole = sorted(path.name for path in (small_disk / "out").glob("checkpoint-*"))
    assert len(whole) >= 2 and "free: free " in run.text()
    shutil.rmtree(small_disk / "out" / whole[0])
    shutil.rmtree(small_disk / "out" / whole[1])
    assert run.ends() == 0, run.text()[-2000:]


def test_a_disk_that_stays_full_stops_the_run_so_that_it_can_go_on(tmp_path, small_disk):
    run = Running(tmp_path, on_disk(small_disk, "--checkpointing.wait_for_space", "2"))
    assert run.ends() == 75
    assert "stopped: no space for a checkpoint at step" in run.text() and "Traceback" not in run.text()
    last = max(int(path.name.split("-")[1]) for path in (small_disk / "out").glob("checkpoint-*"))
    shutil.copytree(small_disk / "out", tmp_path / "out")
    again = Running(tmp_path, [*GRPO, "--save_steps", "1", "--max_steps", "14"])
    assert again.ends() == 0 and f"after step {last}" in again.text()


def test_a_disk_without_room_for_one_checkpoint_is_found_before_the_first_step(tmp_path, small_disk):
    (small_disk / "ballast").write_bytes(bytes(31 * 2**20))
    run = Running(tmp_path, on_disk(small_disk))
    assert run.ends() == 2
    assert "and a checkpoint needs about" in run.text() and "/14" not in run.text()


@pytest.mark.apart
def test_a_mixture_that_was_killed_goes_on_bit_for_bit(tmp_path):
    mixture = [sys.executable, str(ROOT / "scripts/grpo.py"), str(ROOT / "recipes/debug/mixture.yaml"), *LONG]
    more = ("--per_device_train_batch_size", "16", "--logging_steps", "1", "--evaluation.before", "false")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        run = Running(tmp_path / name, [*mixture, *more])
        if name == "killed":
            run.wait_for("step     7/14")
            os.killpg(run.process.pid, signal.SIGKILL)
            run.ends()
            run = Running(tmp_path / name, [*mixture, *more])
        assert run.ends() == 0, run.text()[-3000:]
    assert "resumes" in run.text()
    whole, killed = (tmp_path / name / "out" for name in ("whole", "killed"))
    assert (whole / "model.safetensors").read_bytes() == (killed / "model.safetensors").read_bytes()
    figures = [
        [
            {key: value for key, value in json.loads(line).items() if key.startswith("rl/")}
            for line in (folder / "diagnostics/log.jsonl").read_text().splitlines()
        ]
        for folder in (whole, killed)
    ]
    assert figures[0] == figures[1] and any("rl/acc/shopping" in line for line in figures[0])
