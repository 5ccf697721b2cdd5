"""Lambda Cloud: the whole life of an instance, against a server that answers as the API does and a local ssh."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from lambda_server import KEY, Cloud  # noqa: E402

from ratchet.launch.lambda_cloud.files import WATCHDOG  # noqa: E402

DATA = Path(os.environ.get("RATCHET_DATA_DIR") or Path(__file__).resolve().parents[3] / "shared" / "data")
# Runs the command as the instance's shell would, in a home of its own.
SSH = """#!/usr/bin/env python3
import os, pathlib, subprocess, sys
home = pathlib.Path(os.environ["INSTANCE_HOME"])
if (home / "down").exists():
    sys.exit(print("ssh: connect to host 127.0.0.1 port 22: Connection refused", file=sys.stderr) or 255)
sys.exit(subprocess.run(["bash", "-c", sys.argv[-1]], cwd=home, env={**os.environ, "HOME": str(home)}).returncode)
"""
# In the place of accelerate: a training that lasts as long as it is told, and saves when it is asked to.
TRAINER = """#!/bin/bash
echo "training with token ${HF_TOKEN:-none}"
[ -f outputs/run/progress.json ] && echo "going on from $(cat outputs/run/progress.json)"
mkdir -p outputs/run
echo '{"steps": 1}' > outputs/run/progress.json
for i in $(seq 1 "$(cat ~/seconds10 2>/dev/null || echo 5)"); do sleep 0.1; done
echo '{"steps": 2}' > outputs/run/result.json
exit "$(cat ~/status 2>/dev/null || echo 0)"
"""


@pytest.fixture
def cloud():
    description = DATA / "lambda/openapi.json"
    if not description.is_file():
        pytest.skip(
            f"no description of Lambda's API: {description} is absent (name its parent folder in RATCHET_DATA_DIR)"
        )
    found = Cloud(description)
    yield found
    found.server.shutdown()
    assert found.wrong == []


@pytest.fixture
def instance(tmp_path):
    """The home of whatever instance is started, with an environment in which nothing has to be installed."""
    home = tmp_path / "instance"
    (home / "ratchet/code/.venv/bin").mkdir(parents=True)
    trainer = home / "ratchet/code/.venv/bin/accelerate"
    trainer.write_text(TRAINER)
    trainer.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    # The instance's processes are those of this machine here: nobody else's may be told to stop.
    (tmp_path / "bin/pkill").write_text(
        f'#!/bin/bash\necho "$*" >> {tmp_path}/pkilled\necho 75 > {home}/ratchet/exit\n'
    )  # it saves, and leaves
    (tmp_path / "bin/pkill").chmod(0o755)
    yield home
    shutil.rmtree("/dev/shm/ratchet-run", ignore_errors=True)


def _environ(tmp_path, cloud, **more):
    mine = {
        "LAMBDA_API_KEY": KEY,
        "LAMBDA_API_URL": cloud.url,
        "LAMBDA_PAUSE": "0.2",
        "INSTANCE_HOME": str(tmp_path / "instance"),
        "HF_TOKEN": "hf_very-secret",
    }
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1", **mine, **more}


def _words(root, tmp_path, *more):
    words = [sys.executable, "-m", "ratchet", "launch", str(root / "recipes/debug/grpo.yaml"), "--on", "lambda"]
    for limit in ("--max-price", "--max-hours"):
        words += [] if limit in more else [limit, "1"]
    config = str(root / "accelerate_configs/cpu.yaml")
    return [*words, "--config_file", config, "--output_dir", "outputs/run", *more]


def _launch(root, tmp_path, cloud, *more, code=0, **environ):
    done = subprocess.run(
        _words(root, tmp_path, *more),
        cwd=tmp_path,
        env=_environ(tmp_path, cloud, **environ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for secret in (KEY, "hf_very-secret"):
        assert secret not in done.stdout.replace("token hf_very-secret", "") + done.stderr
    return done


def _start(root, tmp_path, cloud, *more):
    log = (tmp_path / "console").open("ab")
    return subprocess.Popen(
        _words(root, tmp_path, *more),
        cwd=tmp_path,
        env=_environ(tmp_path, cloud),
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _wait_for(what, seconds=30):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_run_is_launched_followed_fetched_and_ended(root, tmp_path, cloud, instance):
    done = _launch(root, tmp_path, cloud)
    assert "training with token hf_very-secret" in done.stdout  # the secret reached the run, over ssh
    assert json.loads((tmp_path / "outputs/run/result.json").read_text()) == {"steps": 2}
    assert cloud.alive() == []
    (body,) = cloud.launches
    assert body["ssh_key_names"] == ["mine"]
    assert body["instance_type_name"] == "gpu_1x_a10"
    assert KEY not in json.dumps(body)
    assert "hf_very-secret" not in json.dumps(body)


@pytest.mark.apart
def test_a_real_recipe_trains_on_the_instance(root, tmp_path, cloud, instance):
    shutil.rmtree(instance / "ratchet/code/.venv")
    (instance / "ratchet/code/.venv").symlink_to(Path(sys.executable).parents[1])
    done = _launch(root, tmp_path, cloud, "--max_steps", "2", "--report", "off", "--evaluation.after", "false")
    assert "step     2/2" in done.stdout
    assert (tmp_path / "outputs/run/model.safetensors").is_file()
    assert cloud.alive() == []


def test_a_run_that_fails_is_ended_and_its_status_returned(root, tmp_path, cloud, instance):
    (instance / "status").write_text("2")
    done = _launch(root, tmp_path, cloud, code=2)
    assert "the run ended with exit status 2" in done.stdout
    assert cloud.alive() == []


MOMENTS = {
    "while the launch is asked for": lambda cloud, home: bool(cloud.launches),
    "while it boots": lambda cloud, home: any("instances/i" in path for _, path, _ in cloud.calls),
    "while code is sent": lambda cloud, home: (home / "ratchet/code/scripts").exists(),
    "while it trains": lambda cloud, home: (home / "ratchet/code/outputs/run/progress.json").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_next_call_goes_on_and_never_starts_two(root, tmp_path, cloud, instance, moment):
    cloud.boot = 1.0
    (instance / "seconds10").write_text("20")
    process = _start(root, tmp_path, cloud)
    _wait_for(lambda: MOMENTS[moment](cloud, instance))
    process.kill()
    process.wait()
    _launch(root, tmp_path, cloud)
    assert len(cloud.launches) == 1
    assert cloud.alive() == []
    assert (tmp_path / "outputs/run/result.json").is_file()


def test_a_launch_whose_answer_is_lost_is_found(root, tmp_path, cloud, instance):
    cloud.faults["POST /api/v1/instance-operations/launch"] = ["lose"]
    done = _launch(root, tmp_path, cloud)
    assert "looking for what it may have started" in done.stdout
    assert len(cloud.instances) == 1
    assert cloud.alive() == []


def test_an_api_that_fails_right_after_a_launch_loses_no_instance(root, tmp_path, cloud, instance):
    cloud.faults["GET /api/v1/instances"] = [None] + [500] * 5  # the first look is answered
    _launch(root, tmp_path, cloud)
    assert len(cloud.launches) == 1
    assert cloud.alive() == []


def test_two_calls_at_once_are_one_run(root, tmp_path, cloud, instance):
    cloud.boot = 1.0
    process = _start(root, tmp_path, cloud)
    _wait_for(lambda: cloud.launches)
    done = _launch(root, tmp_path, cloud, code=2)
    assert "in use by process" in done.stderr
    assert process.wait(60) == 0
    assert len(cloud.launches) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_instance(root, tmp_path, cloud, instance, number):
    (instance / "seconds10").write_text("600")
    process = _start(root, tmp_path, cloud)
    _wait_for(lambda: MOMENTS["while it trains"](cloud, instance))
    process.send_signal(number)
    assert process.wait(60) == 75
    assert cloud.alive() == []
    pattern = (tmp_path / "pkilled").read_text().split(" -f ")[1].strip()
    for told, words in (
        (True, "/x/bin/python -u scripts/grpo.py recipe.yaml"),
        (False, "/x/bin/python /x/bin/accelerate launch scripts/grpo.py recipe.yaml"),
    ):
        assert bool(re.search(pattern, words)) == told
    assert json.loads((tmp_path / "outputs/run/progress.json").read_text()) == {"steps": 1}


def test_a_new_instance_goes_on_from_what_was_fetched(root, tmp_path, cloud, instance):
    (tmp_path / "outputs/run").mkdir(parents=True)
    (tmp_path / "outputs/run/progress.json").write_text('{"steps": 7}')
    assert 'going on from {"steps": 7}' in _launch(root, tmp_path, cloud).stdout


def test_the_log_of_a_new_instance_is_shown_from_its_start(root, tmp_path, cloud, instance):
    (tmp_path / "outputs/run.lambda").mkdir(parents=True)
    (tmp_path / "outputs/run.lambda/run.log").write_text(
        "an earlier instance said much more than this one will\n" * 50
    )
    assert "training with token" in _launch(root, tmp_path, cloud).stdout
    assert "an earlier instance" in (tmp_path / "outputs/run.lambda/run-1.log").read_text()


def test_the_time_limit_ends_the_instance(root, tmp_path, cloud, instance):
    (instance / "seconds10").write_text("600")
    done = _launch(root, tmp_path, cloud, "--max-hours", "0.0025", code=75)
    assert "the time is up" in done.stderr
    assert cloud.alive() == []


def test_an_instance_that_does_not_answer_any_more_is_ended(root, tmp_path, cloud, instance):
    (instance / "seconds10").write_text("600")
    process = _start(root, tmp_path, cloud, "--lost-minutes", "0.03")
    _wait_for(lambda: MOMENTS["while it trains"](cloud, instance))
    (instance / "down").touch()
    assert process.wait(60) == 2
    assert "has not answered for" in (tmp_path / "console").read_text()
    assert cloud.alive() == []


def test_a_machine_that_does_not_come_up_is_ended(root, tmp_path, cloud, instance):
    cloud.boot = 600
    done = _launch(root, tmp_path, cloud, "--boot-minutes", "0.02", code=2)
    assert "did not come up" in done.stderr
    assert cloud.alive() == []


def test_an_unhealthy_machine_is_ended(root, tmp_path, cloud, instance):
    cloud.status_after_boot = "unhealthy"
    assert "is unhealthy before the run began" in _launch(root, tmp_path, cloud, code=2).stderr
    assert cloud.alive() == []


def test_ending_is_tried_until_it_succeeds(root, tmp_path, cloud, instance):
    cloud.faults["instance-operations/terminate"] = [500] * 7 + ["drop"] * 2
    done = _launch(root, tmp_path, cloud)
    assert "COULD NOT BE ENDED YET" in done.stdout
    assert cloud.alive() == []


def test_capacity_is_waited_for_where_that_is_asked(root, tmp_path, cloud, instance):
    cloud.capacity["gpu_1x_a10"] = []
    assert "no capacity for gpu_1x_a10 now" in _launch(root, tmp_path, cloud, code=2).stderr
    process = _start(root, tmp_path, cloud, "--wait-for-capacity", "1")
    _wait_for(lambda: "waiting" in (tmp_path / "console").read_text() if (tmp_path / "console").exists() else False)
    cloud.capacity["gpu_1x_a10"] = ["us-west-1"]
    assert process.wait(60) == 0
    assert cloud.alive() == []


REFUSED = [
    (("--instance-type", "gpu_8x_h100"), "costs 23.92 USD an hour, more than --max-price 1"),
    (("--instance-type", "gpu_1x_b1"), "Lambda has no gpu_1x_b1"),
    (("--ssh-key", "yours"), "name one of the account's keys: mine"),
    (("--file-system", "none"), "there is no none; there are shared"),
    (("--output_dir", "/tmp/run"), "is a folder of this machine"),
    (("--max-price", "0.5"), "no instance type has 1 GPUs for at most 0.5 USD"),
]


@pytest.mark.parametrize(("more", "said"), REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_launched(root, tmp_path, cloud, instance, more, said):
    assert said in _launch(root, tmp_path, cloud, *more, code=2).stderr
    assert cloud.launches == []


def test_a_wrong_key_is_a_sentence(root, tmp_path, cloud, instance):
    done = _launch(root, tmp_path, cloud, code=2, LAMBDA_API_KEY="wrong-key-of-somebody")
    assert "API key was invalid" in done.stderr
    assert "wrong-key-of-somebody" not in done.stdout + done.stderr


def test_the_limits_are_required(root, tmp_path, cloud, instance, script):
    for missing in ("price", "hours"):
        limits = [f"--max-{name}" for name in ("price", "hours") if name != missing]
        done = script("ratchet", "launch", "recipes/demo.yaml", "--on", "lambda", limits[0], "1", code=2)
        assert f"--max-{missing} is required" in done.stderr


def test_outputs_go_to_the_file_system_that_is_mounted(root, tmp_path, cloud, instance):
    done = _launch(root, tmp_path, cloud, "--file-system", "shared", "--dry-run")
    assert "ln -s /lambda/nfs/shared/ratchet outputs" in done.stdout
    assert '"file_system_names"' in done.stdout


def test_a_dry_run_shows_every_request_and_no_secret(root, tmp_path, cloud, instance):
    done = _launch(root, tmp_path, cloud, "--dry-run")
    for word in (
        "instance-operations/launch",
        "gpu_1x_a10 in us-west-1: 0.75 USD",
        "run.sh",
        "instance-operations/terminate",
        "HF_TOKEN to",
    ):
        assert word in done.stdout
    assert cloud.launches == []


def test_list_status_and_stop(root, tmp_path, cloud, instance):
    (instance / "seconds10").write_text("600")
    environ = _environ(tmp_path, cloud)

    def ask(*words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "ratchet", "launch", "--on", "lambda", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert re.search(r"gpu_8x_h100 +8 +23\.92  us-west-1", ask("--list"))
    assert "no instance of Ratchet" in ask("--status")
    _launch(root, tmp_path, cloud, "--detach")
    assert re.search(r"ratchet-run +i0+1 +active", ask("--status"))
    assert "there is no instance other; there are ratchet-run" in ask("--stop", "other", code=2)
    assert "is ended" in ask("--stop", "run")
    assert cloud.alive() == []


def test_the_watchdog_ends_the_instance_through_the_api(tmp_path, cloud):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here, which the watchdog uses")
    cloud.answer(
        "POST",
        "/api/v1/instance-operations/launch",
        {
            "region_name": "us-west-1",
            "instance_type_name": "gpu_1x_a10",
            "ssh_key_names": ["mine"],
            "name": "x",
            "tags": [],
        },
    )
    (number,) = cloud.instances
    keys = tmp_path / "keys"
    keys.write_text(f"LAMBDA_API_KEY='{KEY}'\nINSTANCE_ID={number}\nLAMBDA_API_URL={cloud.url}\n")
    (tmp_path / "watchdog.sh").write_text(WATCHDOG)
    began = time.time()
    done = subprocess.run(
        ["bash", str(tmp_path / "watchdog.sh"), str(int(began) + 2), str(keys), "0.2", "3", "false"], timeout=30
    )
    assert done.returncode == 0
    assert time.time() - began > 1
    assert cloud.alive() == []


def test_a_watchdog_that_never_got_a_key_shuts_the_machine_down(tmp_path):
    (tmp_path / "watchdog.sh").write_text(WATCHDOG)
    off = tmp_path / "poweroff"
    off.write_text(f"#!/bin/bash\ntouch {tmp_path}/off\n")
    off.chmod(0o755)
    subprocess.run(
        ["bash", str(tmp_path / "watchdog.sh"), "0", str(tmp_path / "none"), "0.1", "2", str(off)],
        check=True,
        timeout=30,
    )
    assert (tmp_path / "off").exists()


def test_cloud_init_is_yaml_that_starts_the_watchdog(root):
    import yaml

    from ratchet.launch.lambda_cloud.files import user_data

    found = yaml.safe_load(user_data("run", 1_800_000_000.5))
    assert found["write_files"][0]["content"].splitlines() == WATCHDOG.splitlines()
    assert found["runcmd"] == [
        [
            "systemd-run",
            "--unit=ratchet-watchdog",
            "/opt/ratchet/watchdog.sh",
            "1800000000",
            "/dev/shm/ratchet-run/keys",
        ]
    ]
