"""Slurm: the files are sound shell, and jobs run in a real Slurm with two nodes on this machine."""

import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ratchet.errors import UserError
from ratchet.integrations import vllm_cpu
from ratchet.launch.request import launch_of
from ratchet.launch.slurm.files import Options, render

sys.path.insert(0, str(Path(__file__).parent))
import slurm_here  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
RECIPE = [str(ROOT / "recipes/debug/grpo.yaml"), "--report", "off", "--logging_steps", "1", "--save_steps", "5"]
RECIPE += ["--save_strategy", "steps", "--evaluation.before", "false", "--evaluation.after", "false"]
TWO = ("--config_file", str(ROOT / "accelerate_configs/cpu2.yaml"), "--nodes", "2", "--num_processes", "2")
ONE = ("--config_file", str(ROOT / "accelerate_configs/cpu.yaml"))


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Two nodes here; commands that a test starts speak with them."""
    if missing := slurm_here.missing():
        pytest.skip(f"no Slurm here: {', '.join(missing)} missing (on Debian: apt-get install slurm-wlm munge)")
    # Its sockets' paths have to be short, and a test's own folder is not.
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as place:
        made = slurm_here.Cluster(Path(place), tmp_path)
        monkeypatch.setenv("SLURM_CONF", str(made.configuration))
        yield made
        made.close()


def _submit(cluster, *words, code=0):
    placed = words if "--config_file" in words else (*ONE, *words)
    output = () if "--output_dir" in words else ("--output_dir", str(cluster.home / "run"))
    return cluster.ratchet("launch", *RECIPE, "--on", "slurm", *output, *placed, code=code)


VARIANTS = [
    ({}, ()),
    ({"seeds": "0-4"}, ()),
    ({"evaluate": True, "seeds": "1,3"}, ()),
    (
        {
            "evaluate": True,
            "venv": "/shared/a venv",
            "partition": "gpu",
            "account": "me",
            "cpus": 32,
            "more": ("--qos=high",),
        },
        (),
    ),
    ({"container": "nvcr.io#nvidia/pytorch", "mounts": "/shared:/shared"}, ()),
    ({"inference_nodes": 1, "container": "image.sqsh"}, (("vllm_mode", "server"),)),
    ({"inference_nodes": 1}, (("vllm_mode", "server"), ("output_dir", "outputs/a name"))),
]


def _render(root, options, overrides=(), name="zero3_2nodes"):
    launch = launch_of(
        root / "recipes/aquarat.yaml", overrides, str(root / f"accelerate_configs/{name}.yaml"), None, None, {}
    )
    return render(launch, Options(**options))


@pytest.mark.parametrize(("options", "overrides"), VARIANTS)
def test_every_rendering_passes_bash_and_shellcheck(root, tmp_path, options, overrides):
    checker = Path(sys.executable).with_name("shellcheck")
    if not checker.is_file():
        pytest.skip("shellcheck is not installed (the extra dev brings it)")
    for name, text in _render(root, options, overrides).texts.items():
        if name.endswith((".sh", ".sbatch")):
            path = tmp_path / name
            path.write_text(text)
            subprocess.run(["bash", "-n", str(path)], check=True)
            # An activate script is not here to be followed; a trap calls what nothing else does.
            done = subprocess.run(
                [str(checker), "--exclude=SC1091,SC2329", "--shell=bash", str(path)], capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout


def test_options_become_directives_and_words(root):
    texts = _render(
        root,
        {
            "partition": "gpu",
            "account": "me",
            "time": "1-00:00:00",
            "cpus": 96,
            "more": ("--qos=high",),
            "notice": 240,
        },
    ).texts
    for line in (
        "--nodes=2",
        "--gpus-per-node=8",
        "--partition=gpu",
        "--account=me",
        "--time=1-00:00:00",
        "--cpus-per-task=96",
        "--qos=high",
    ):
        assert f"#SBATCH {line}\n" in texts["job.sbatch"]
    assert "#SBATCH --signal=B:USR1@240\n" in texts["job.sbatch"]
    assert '--num_machines 2 --machine_rank "$SLURM_NODEID" --main_process_ip "$MASTER_ADDR"' in texts["node.sh"]


def test_a_node_for_vllm_stands_beside_those_that_train(root):
    texts = _render(root, {"inference_nodes": 1}, (("vllm_mode", "server"),)).texts
    assert "#SBATCH --nodes=3\n" in texts["job.sbatch"]
    assert "--relative=2" in texts["job.sbatch"]
    assert "exec vllm serve Qwen/Qwen3-1.7B" in texts["vllm.sh"]
    assert '--vllm_server_host "$VLLM_HOST"' in texts["node.sh"]


WRONG = [
    ({}, (("vllm_mode", "server"),), "--inference-nodes 1"),
    ({"inference_nodes": 1}, (), "is for use_vllm: true"),
    ({"seeds": "a"}, (), "--seeds takes"),
    ({"time": "soon"}, (), "--time takes"),
]


@pytest.mark.parametrize(("options", "overrides", "said"), WRONG)
def test_options_that_do_not_go_together_are_refused(root, options, overrides, said):
    with pytest.raises(UserError, match=said):
        _render(root, options, overrides)


def _run(cluster, *words, code=0):
    """The first job of a launch, or what the command said where it ended otherwise."""
    done = _submit(cluster, *words, code=code)
    return done if code else done.stdout.split()[1]


def _same(one: Path, other: Path) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_an_array_gives_every_seed_its_own_folder(cluster, tmp_path):
    number = _run(cluster, "--seeds", "3-4", "--max_steps", "2")
    for seed in (3, 4):
        assert cluster.ended(f"{number}_{seed}") == "COMPLETED", cluster.logs(tmp_path)
        assert f"seed: {seed}" in (tmp_path / f"run-seed{seed}/recipe.yaml").read_text()


def test_an_evaluation_waits_for_the_run(cluster, tmp_path):
    done = _submit(cluster, "--evaluate", "--max_steps", "2")
    assert "job 2 evaluates" in done.stdout
    assert cluster.job("2", "Dependency").startswith("afterok:1")
    assert cluster.ended("2") == "COMPLETED", cluster.logs(tmp_path)
    assert json.loads((tmp_path / "run/evaluation-test.json").read_text())["split"] == "test"


def test_a_run_that_fails_is_not_requeued_and_its_evaluation_does_not_wait(cluster, tmp_path):
    (tmp_path / "run").write_text("a file")
    number = _run(cluster, "--evaluate")
    assert cluster.ended(number) == "FAILED"
    assert "is a file" in cluster.logs(tmp_path)
    assert cluster.job(number, "Restarts") == "0"
    assert cluster.ended("2") == "CANCELLED"


def test_what_sbatch_refuses_is_said(cluster):
    done = _run(cluster, "--partition", "nothing", code=2)
    assert "sbatch refuses" in done.stderr
    assert "invalid partition specified" in done.stderr


@pytest.mark.parametrize(("option", "said"), [("--stop", "there is no job nothing"), ("--follow", "none of Ratchet")])
def test_a_job_that_is_not_there_is_no_traceback(cluster, option, said):
    done = cluster.ratchet("launch", "--on", "slurm", option, "nothing", code=2)
    assert said in done.stderr


@pytest.mark.apart
def test_two_nodes_train_as_one_run_that_can_be_shown_and_followed(cluster, tmp_path):
    number = _run(cluster, *TWO, "--max_steps", "6")
    followed = cluster.ratchet("launch", "--on", "slurm", "--follow", "run")
    assert followed.stdout.count("step     6/6") == 1
    assert followed.stdout.splitlines()[-1] == f"job {number}: completed"
    assert json.loads((tmp_path / "run/run.json").read_text())["processes"] == 2
    shown = cluster.ratchet("launch", "--on", "slurm", "--status").stdout.split()
    assert shown[:3] == [number, "run", "completed"]
    assert shown[-2:] == ["step", "6"]


@pytest.fixture(scope="session")
def alone(tmp_path_factory, finish):
    """The same run on two processes, without Slurm and without a stop."""
    base = tmp_path_factory.mktemp("alone")
    words = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    words += [str(ROOT / "accelerate_configs/cpu2.yaml"), str(ROOT / "scripts/grpo.py"), *RECIPE]
    done = finish([*words, "--max_steps", STEPS, "--output_dir", str(base / "run")], base, 300)
    assert done.returncode == 0, done.stderr
    return base / "run"


STEPS = "40"


def _ended(cluster, tmp_path, number):
    """Wait until a run that was told to stop has saved and is not in the queue any more."""
    state = cluster.ended(number)
    assert "is finished and saved" in cluster.logs(tmp_path)
    assert cluster.job(number, "Restarts") == "0"
    return state


@pytest.mark.apart
def test_a_job_whose_time_is_up_goes_on(cluster, tmp_path):
    number = _run(cluster, "--time", "00:01:00", "--notice", "30", "--max_steps", "480")
    assert cluster.ended(number, 600) == "COMPLETED", cluster.logs(tmp_path)
    assert int(cluster.job(number, "Restarts")) >= 1
    assert "resumes     after step" in cluster.logs(tmp_path)


@pytest.mark.apart
@pytest.mark.parametrize("how", ["--stop", "scancel"])
def test_a_run_that_is_ended_has_saved_and_stays_ended(cluster, tmp_path, alone, how):
    words = (*TWO, "--max_steps", STEPS)
    number = _run(cluster, *words)
    cluster.trains(tmp_path / "run", 4)
    if how == "--stop":
        assert "is told" in cluster.ratchet("launch", "--on", "slurm", "--stop", "run").stdout
    else:
        cluster.ask("scancel", number)
    assert _ended(cluster, tmp_path, number) == ("FAILED" if how == "--stop" else "CANCELLED")
    number = _run(cluster, *words)
    assert cluster.ended(number) == "COMPLETED", cluster.logs(tmp_path)
    assert _same(tmp_path / "run", alone)


@pytest.mark.apart
def test_a_notice_to_one_task_leaves_the_others_of_its_array_alone(cluster, tmp_path):
    number = _run(cluster, "--seeds", "0-1", "--max_steps", STEPS)
    cluster.trains(tmp_path / "run-seed1", 4)
    cluster.trains(tmp_path / "run-seed0", 1)
    cluster.ask("scancel", "--batch", "--signal=USR1", f"{number}_1")  # the last task has the array's own number
    assert {cluster.ended(f"{number}_{seed}") for seed in (0, 1)} == {"COMPLETED"}, cluster.logs(tmp_path)
    assert [cluster.job(f"{number}_{seed}", "Restarts") for seed in (0, 1)] == ["0", "1"]


@pytest.mark.apart
def test_a_preempted_run_comes_back(cluster, tmp_path, alone):
    number = _run(cluster, *TWO, "--max_steps", STEPS)
    cluster.trains(tmp_path / "run", 4)
    cluster.ask("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--wrap", "sleep 5", "--output=/dev/null")
    assert cluster.ended(number) == "COMPLETED", cluster.logs(tmp_path)
    assert int(cluster.job(number, "Restarts")) >= 1
    assert _same(tmp_path / "run", alone)


@pytest.mark.apart
def test_a_run_whose_node_dies_goes_on_when_it_is_back(cluster, tmp_path, alone):
    number = _run(cluster, *TWO, "--max_steps", STEPS)
    cluster.trains(tmp_path / "run", 7)
    cluster.fail(cluster.nodes[1])
    cluster.until(lambda: cluster.job(number) == "PENDING", "the job is not requeued")
    cluster.revive(cluster.nodes[1])
    assert cluster.ended(number) == "COMPLETED", cluster.logs(tmp_path)
    assert "resumes     after step" in cluster.logs(tmp_path)
    assert _same(tmp_path / "run", alone)


@pytest.fixture
def mounts():
    if not slurm_here.can_mount():
        pytest.skip("a node can have no file systems of its own here (unshare --mount)")


@pytest.mark.apart
def test_a_folder_that_only_one_node_sees_is_said(cluster, mounts, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    cluster.reboot(cluster.nodes[1], f"mount -t tmpfs -o size=1m none {shared}")
    number = _run(cluster, *TWO, "--max_steps", "4", "--output_dir", str(shared / "run"))
    assert cluster.ended(number) == "FAILED"
    said = next((shared / "run.slurm").glob("run-*.log")).read_text()
    assert f"{cluster.nodes[1]} does not see" in said and "a file system that all nodes see" in said


@pytest.mark.apart
def test_an_output_folder_that_only_one_node_sees_is_said(cluster, mounts, tmp_path):
    (tmp_path / "run").mkdir()
    cluster.reboot(cluster.nodes[1], f"mount -t tmpfs -o size=1m none {tmp_path / 'run'}")
    number = _run(cluster, *TWO, "--max_steps", "4")
    assert cluster.ended(number) == "FAILED"
    said = cluster.logs(tmp_path)
    assert (
        f"run on {cluster.nodes[1]} is not the main process's: it must lie on a file system that all nodes see" in said
    )
    assert cluster.job(number, "ExitCode") == "2:0"


@pytest.mark.apart
def test_a_vllm_server_has_a_node_of_its_own(cluster, running, tmp_path):
    try:
        interpreter = vllm_cpu.python()
    except UserError as error:
        pytest.skip(f"no vLLM for CPUs: {str(error).splitlines()[0]}")
    cluster.environ["PYTHONPATH"] = str(ROOT / "src")
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
    words = [str(ROOT / "recipes/debug/vllm_server_cpu.yaml"), "--on", "slurm", *ONE, *RECIPE[1:]]
    words += ["--max_steps", "4", "--vllm_server_port", str(port), "--output_dir", str(tmp_path / "run")]
    cluster.ratchet("launch", *words, "--inference-nodes", "1", "--venv", str(interpreter.parents[1]))
    assert cluster.ended("1") == "COMPLETED", cluster.logs(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "run/diagnostics/log.jsonl").read_text().splitlines()]
    away = [line["sampling/sampling_logp_difference/mean"] for line in lines if "reward" in line]
    assert len(away) == 4 and max(away) < 1e-6
    cluster.until(lambda: "COMPLETING" not in cluster.ask("squeue", "--states=all"), "the server's step does not end")
    assert running(str(tmp_path / "run.served")) == []


def test_without_slurm_the_command_says_so(script, tmp_path):
    done = script(
        "ratchet",
        "launch",
        "recipes/debug/grpo.yaml",
        "--on",
        "slurm",
        "--num_processes",
        "1",
        code=2,
        PATH=str(tmp_path),  # a machine may have Slurm
    )
    assert "there is no sbatch here" in done.stderr


def test_a_slurm_without_a_controller_is_a_sentence(cluster):
    cluster.close()
    done = cluster.ratchet("launch", "--on", "slurm", "--status", code=2)
    assert "Slurm does not answer" in done.stderr and "Traceback" not in done.stderr
