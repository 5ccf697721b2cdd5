"""SkyPilot: what is rendered, its script run for real, and SkyPilot's own word on both."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from ratchet.errors import UserError
from ratchet.integrations.environment import Environment
from ratchet.launch.request import launch_of
from ratchet.launch.sent import PASSED_ON
from ratchet.launch.sky.clouds import ACCELERATORS, CLOUDS, VERSION, places
from ratchet.launch.sky.task import Options, check, task

ROOT = Path(__file__).resolve().parents[2]
DEBUG = ("recipes/debug/grpo.yaml", "cpu")
LARGE = ("recipes/aquarat.yaml", "zero2_2nodes")


def made(recipe, deadline=None, environ=(), overrides=(), **options):
    path, config = recipe
    launch = launch_of(ROOT / path, overrides, str(ROOT / f"accelerate_configs/{config}.yaml"), None, None, {})
    given = {"places": tuple(places(options.pop("infra", "gcp"))), "max_price": 60.0, "max_hours": 12.0, **options}
    wanted = Options(**given)
    check(launch, wanted, dict(environ))
    return yaml.safe_load(task(launch, wanted, dict(environ), deadline or time.time() + 3600))


def test_a_price_for_all_nodes_is_a_limit_for_each():
    assert made(LARGE)["num_nodes"] == 2
    assert made(LARGE)["resources"]["max_hourly_cost"] == 30.0


def test_gpus_on_which_the_run_does_not_fit_are_not_asked_for():
    kinds = {one["accelerators"] for one in made(LARGE)["resources"]["any_of"]}
    assert "H100:8" in kinds and "L4:8" not in kinds


def test_only_a_machine_that_can_ends_itself():
    by_cloud = {
        one["infra"]: one.get("autostop")
        for one in made(DEBUG, infra="lambda,hyperbolic", ends_by_hand=True)["resources"]["any_of"]
    }
    assert by_cloud == {"lambda": {"idle_minutes": 10, "down": True}, "hyperbolic": None}


def test_secrets_are_named_and_their_values_stay_here():
    made_of = made(DEBUG, environ={"HF_TOKEN": "hf_secret_word"}, overrides=(("push_to_hub", "true"),))
    assert made_of["secrets"] == {"HF_TOKEN": None}
    assert "hf_secret_word" not in json.dumps(made_of)


@pytest.mark.parametrize("name", PASSED_ON)
def test_what_a_tracker_is_told_goes_along(name):
    assert made(DEBUG, environ={name: "a-word"})["secrets"] == {name: None}


REFUSED = [
    ({"infra": "hyperbolic"}, (), "nothing ends a machine there"),
    ({"infra": "primeintellect"}, (), "nothing ends a machine there"),
    ({"infra": "slurm"}, (), "--on slurm"),
    ({"infra": "aws,mars"}, (), "there is no mars"),
    ({"infra": "lambda", "spot": True, "output_bucket": "gs://b"}, (), "--spot: SkyPilot has none of that on lambda"),
    ({"infra": "runpod", "output_bucket": "gs://b"}, (), "a bucket: SkyPilot has none of that on runpod"),
    ({"managed": True}, (), "need --output-bucket"),
    ({"output_bucket": "ftp://b"}, (), "takes s3://NAME, gs://NAME, r2://NAME"),
    ({}, (("push_to_hub", "true"),), "HF_TOKEN is not set"),
    ({}, (("report_to", "wandb"),), "WANDB_API_KEY is not set"),
    ({}, (("output_dir", "/abs/run"),), "is a folder of this machine"),
]


@pytest.mark.parametrize(("options", "overrides", "said"), REFUSED)
def test_what_a_cloud_cannot_do_or_would_lose_is_refused(options, overrides, said):
    with pytest.raises(UserError, match=said):
        made(DEBUG, overrides=overrides, **options)


def test_several_nodes_are_refused_where_there_is_one():
    with pytest.raises(UserError, match="2 nodes: SkyPilot has none of that on vast"):
        made(LARGE, infra="vast,gcp")


def test_a_gpu_that_is_too_small_is_refused_with_what_would_help():
    with pytest.raises(UserError, match="--gpu l4: the run does not fit on it"):
        made(LARGE, gpus=("l4",))


# The script of the task, as a node runs it: here, without its set-up.


@pytest.fixture
def node(tmp_path):
    """Run a task's script in a copy of what git knows; its exit status and what it said."""
    for name in ("scripts", "src", "recipes", "accelerate_configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])

    def run(found, rank=0, **environ):
        variables = {"SKYPILOT_NODE_RANK": str(rank), "SKYPILOT_NODE_IPS": "127.0.0.1\n127.0.0.2", **environ}
        return subprocess.Popen(
            ["bash", "-c", found["run"]],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


QUICK = tuple(
    {
        "evaluation.before": "false",
        "evaluation.after": "false",
        "report": "off",
        "max_steps": "3",
        "logging_steps": "1",
        "output_dir": "outputs/debug",
    }.items()
)


def test_a_node_trains_into_the_bucket(node, tmp_path):
    process = node(made(DEBUG, overrides=QUICK, output_bucket="gs://ratchet"))
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert json.loads((tmp_path / "ratchet-outputs/debug/result.json").read_text())["steps"] == 3


def test_a_run_ends_with_its_time_and_is_not_begun_again(node, tmp_path):
    long = (*QUICK, ("max_steps", "4000"), ("save_strategy", "steps"))
    process = node(made(DEBUG, time.time() + 30, overrides=long, managed=True, output_bucket="gs://ratchet"))
    assert process.wait(300) == 1
    assert list((tmp_path / "ratchet-outputs/debug").glob("checkpoint-*")), "it left before the trainer had saved"
    said, _ = process.communicate(timeout=300)
    assert "is finished and saved" in said and "the time is up (--max-hours)" in said
    later = node(made(DEBUG, time.time() - 1, overrides=long, managed=True, output_bucket="gs://ratchet"))
    assert later.communicate(timeout=60)[0] == "the time is up (--max-hours)\n"
    assert later.returncode == 1


def test_a_run_that_stopped_early_is_begun_again_so_often_and_no_more(node, tmp_path):
    launcher = tmp_path / "bin/accelerate"
    launcher.parent.mkdir()
    launcher.write_text('#!/bin/bash\necho 75 > "$STATUS_OF_RATCHET"\nexit 1\n')  # as several processes end
    launcher.chmod(0o755)
    found = made(LARGE, managed=True, recoveries=2, output_bucket="gs://ratchet")
    found["run"] = found["run"].replace('export PATH="$PWD/.venv/bin:$PATH"', 'export PATH="$PWD/bin:$PATH"')
    codes = []
    for _ in range(3):
        process = node(found)
        process.communicate(timeout=60)
        codes.append(process.returncode)
    assert codes == [75, 75, 1]


# The command, with a stand-in for SkyPilot's: no cloud can be had here.

SKY = """#!/bin/bash
# Its state is a file for each machine; like the real one it exits with 0 where it cannot end one.
here="$(dirname "$0")"
echo "$@" >> "$here/said"
case "$1 $2" in
    "launch "*) touch "$here/machine-$3"; sleep {hangs}; exit {launch} ;;
    "logs "*) exit {logs} ;;
    "down "*) [ {down} = 0 ] && rm -f "$here/machine-$3"; exit 0 ;;
    "status --output") printf "a note\\n["; first=1
        for one in "$here"/machine-*; do
            [ -e "$one" ] || continue
            [ "$first" = 1 ] || printf ","; first=0
            printf '{{"name": "%s"}}' "${{one##*/machine-}}"
        done; echo "]" ;;
    "jobs queue") echo "[]" ;;
esac
"""


@pytest.fixture
def sky(tmp_path, script):
    """``ratchet launch --on sky`` beside a sky whose commands end so; its output and the commands."""
    folder = tmp_path / "sky-bin"
    folder.mkdir()
    for name, text in {"rsync": "exit 0", "ssh": "exit 0"}.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)

    def run(code, *words, launch=0, logs=0, down=0, hangs=0, before=""):
        (folder / "sky").write_text(SKY.format(launch=launch, logs=logs, down=down, hangs=hangs))
        (folder / "sky").chmod(0o755)
        if before:
            (folder / f"machine-{before}").touch()
        given = ("--infra", "gcp", "--max-price", "3", "--max-hours", "1")
        words = words or ("recipes/debug/grpo.yaml", "--output_dir", "outputs/debug", *given)
        done = script("ratchet", "launch", *words, "--on", "sky", code=code, PATH=f"{folder}:{os.environ['PATH']}")
        said = [line.split() for line in (folder / "said").read_text().splitlines()]
        return done, [words[0] for words in said if words[:2] not in (["status", "--output"], ["jobs", "queue"])]

    return run


def test_a_run_is_launched_followed_fetched_and_its_machine_ended(sky, tmp_path):
    _, commands = sky(0)
    assert commands == ["launch", "logs", "down"]
    assert (tmp_path / "outputs/debug.sky/code/scripts/grpo.py").is_file()
    assert not (tmp_path / "outputs/debug.sky/code/.git").exists()


def test_a_launch_that_fails_leaves_no_machine(sky, tmp_path):
    done, commands = sky(2, launch=1)
    assert commands == ["launch", "down"]
    assert "what it had started is ended" in done.stderr
    assert not list((tmp_path / "sky-bin").glob("machine-*"))


def test_a_machine_that_cannot_be_ended_is_said_though_sky_exits_with_0(sky):
    done, _ = sky(2, down=1)
    assert "may be running and billed" in done.stderr


def test_a_run_that_fails_is_fetched_and_ended_too(sky):
    _, commands = sky(1, logs=100)
    assert commands == ["launch", "logs", "down"]


def test_a_run_that_may_go_on_keeps_its_machine(sky):
    done, commands = sky(2, logs=101)
    assert commands == ["launch", "logs"]
    assert "the machine ends itself 10 minutes after the run" in done.stderr


def test_an_earlier_launch_of_the_run_is_left_alone(sky):
    done, commands = sky(2, before="ratchet-debug")
    assert commands == []
    assert "ratchet-debug is there already" in done.stderr


def test_a_launch_that_is_told_to_stop_ends_what_it_has_started(sky, tmp_path, root):
    sky(0, "--status", hangs=60)
    words = [sys.executable, "-m", "ratchet", "launch", str(root / "recipes/debug/grpo.yaml"), "--on", "sky"]
    words += ["--infra", "gcp", "--max-price", "3", "--max-hours", "1", "--output_dir", "outputs/debug"]
    environ = {**os.environ, "PATH": f"{tmp_path / 'sky-bin'}:{os.environ['PATH']}"}
    process = subprocess.Popen(words, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True)
    machines = tmp_path / "sky-bin"
    while not list(machines.glob("machine-*")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "what has been started is ended" in said
    assert not list(machines.glob("machine-*"))


@pytest.mark.parametrize(("name", "code"), [("debug", 0), ("ratchet-debug", 0), ("typo", 2)])
def test_a_run_can_be_stopped_by_its_name_and_no_other(sky, name, code):
    done, commands = sky(code, "--stop", name, before="ratchet-debug")
    assert commands == ([] if code else ["down"])
    assert code == 0 or "there is no ratchet-typo" in done.stderr


def test_what_runs_is_shown(sky):
    _, commands = sky(0, "--status")
    assert commands == ["status"]


# SkyPilot itself, in an environment of its own.

JUDGE = """
import json, sys
import sky
from sky import clouds
from sky.clouds.cloud import CloudImplementationFeatures as F

tasks = {name: sky.Task.from_yaml(name) for name in sys.argv[1:]}
known = {"aws": clouds.AWS, "gcp": clouds.GCP, "azure": clouds.Azure, "lambda": clouds.Lambda, "runpod": clouds.RunPod,
         "vast": clouds.Vast, "primeintellect": clouds.PrimeIntellect, "hyperbolic": clouds.Hyperbolic}
wanted = {"several": F.MULTI_NODE, "autodown": F.AUTODOWN, "spot": F.SPOT_INSTANCE, "buckets": F.STORAGE_MOUNTING}
found = {}
for name, kind in known.items():
    without = kind()._unsupported_features_for_resources(sky.Resources(cloud=kind()))
    found[name] = {word: feature not in without for word, feature in wanted.items()}
read = {name: [str(one) for one in task.resources] for name, task in tasks.items()}
print(json.dumps({"features": found, "tasks": read}))
"""


@pytest.mark.apart
def test_skypilot_reads_the_tasks_and_says_the_same_of_its_clouds(tmp_path):
    extras = "slurm,lambda,hyperbolic,primeintellect"
    apart = Environment(
        "skypilot", "RATCHET_SKYPILOT_ENVIRONMENT", "about 500 MB", [[f"skypilot[{extras}]=={VERSION}"]]
    )
    try:
        python = apart.python()
    except UserError as error:
        pytest.skip(f"no SkyPilot: {str(error).splitlines()[0]}")
    kinds = {
        "plain": made(LARGE, infra="gcp,lambda,aws/us-east-1"),
        "managed": made(LARGE, infra="gcp", managed=True, spot=True, output_bucket="gs://ratchet-outputs"),
        "by-hand": made(DEBUG, infra="hyperbolic,lambda", ends_by_hand=True),
        "data": made(DEBUG, infra="gcp", data_bucket="s3://rows"),
    }
    files = []
    for name, found in kinds.items():
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(yaml.safe_dump(found))
    environ = {**os.environ, "HOME": str(tmp_path), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    words = [str(python), "-c", JUDGE, *map(str, files)]
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    judged = json.loads(done.stdout.splitlines()[-1])
    ours = {name: asdict(cloud) for name, cloud in CLOUDS.items() if name in judged["features"]}
    assert {name: {key: one[key] for key in judged["features"][name]} for name, one in ours.items()} == judged[
        "features"
    ]
    assert all(judged["tasks"].values())
    assert any(ACCELERATORS["h100"] in text for text in judged["tasks"][str(files[0])])
