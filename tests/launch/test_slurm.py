"""Slurm: the files are sound shell, and jobs run for real on a stand-in that starts the ranks as local processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from ratchet.errors import UserError
from ratchet.launch.request import launch_of
from ratchet.launch.slurm import Options, render

sys.path.insert(0, str(Path(__file__).parent))
from slurm_stand_in import Cluster  # noqa: E402

QUICK = [
    "--report",
    "off",
    "--logging_steps",
    "1",
    "--save_steps",
    "5",
    "--save_strategy",
    "steps",
    "--evaluation.max_rows",
    "4",
]


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path / "slurm")


def _submit(root, cluster, tmp_path, *more, code=0, config="cpu2"):
    words = [
        sys.executable,
        "-m",
        "ratchet",
        "launch",
        str(root / "recipes/debug/grpo.yaml"),
        "--on",
        "slurm",
        *QUICK,
    ]
    words += [
        "--config_file",
        str(root / f"accelerate_configs/{config}.yaml"),
        "--output_dir",
        str(tmp_path / "run"),
        *more,
    ]
    done = subprocess.run(words, cwd=root, env=cluster.environ, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done


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
            # The activate script of an environment is not here to be followed.
            done = subprocess.run(
                [str(checker), "--exclude=SC1091", "--shell=bash", str(path)], capture_output=True, text=True
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


@pytest.mark.apart
def test_two_nodes_train_as_one_run(root, cluster, tmp_path):
    _submit(root, cluster, tmp_path, "--nodes", "2", "--num_processes", "2", "--max_steps", "6")
    code, log = cluster.run(1)
    assert code == 0, log[-3000:]
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] == 6
    assert json.loads((tmp_path / "run/run.json").read_text())["processes"] == 2
    assert not cluster.requeued(1)


@pytest.mark.apart
def test_a_job_whose_time_is_up_goes_on_exactly(root, cluster, tmp_path):
    long = ("--max_steps", "24")
    _submit(root, cluster, tmp_path, *long)
    code, log = cluster.run(1, tmp_path / "run/diagnostics/log.jsonl", '"step": 4')
    assert cluster.requeued(1), log[-3000:]
    assert code == 75
    assert not (tmp_path / "run/result.json").exists()
    code, log = cluster.run(1)
    assert code == 0, log[-3000:]
    assert "resumes     after step" in log
    alone = tmp_path / "alone"
    _submit(root, cluster, tmp_path, *long, "--output_dir", str(alone))
    assert cluster.run(2)[0] == 0
    first, second = (load_file(folder / "model.safetensors") for folder in (tmp_path / "run", alone))
    assert all((first[name] == second[name]).all() for name in first)


def test_an_array_gives_every_seed_its_own_folder(root, cluster, tmp_path):
    _submit(
        root,
        cluster,
        tmp_path,
        "--seeds",
        "3-4",
        "--max_steps",
        "2",
        "--num_processes",
        "1",
        config="cpu",
    )
    assert cluster.run(1, array=3)[0] == 0
    assert "seed: 3" in (tmp_path / "run-seed3/recipe.yaml").read_text()


def test_an_evaluation_waits_for_the_run(root, cluster, tmp_path):
    done = _submit(
        root,
        cluster,
        tmp_path,
        "--evaluate",
        "--max_steps",
        "2",
        "--num_processes",
        "1",
        config="cpu",
    )
    assert "job 2 evaluates" in done.stdout
    assert "--dependency=afterok:1" in cluster.options(2)
    assert cluster.run(1)[0] == 0
    code, log = cluster.run(2)
    assert code == 0, log[-2000:]
    assert json.loads((tmp_path / "run/evaluation-test.json").read_text())["split"] == "test"


def test_a_run_that_fails_is_not_put_into_the_queue_again(root, cluster, tmp_path):
    (tmp_path / "run").write_text("a file")
    _submit(root, cluster, tmp_path)
    code, log = cluster.run(1)
    assert code != 0
    assert "is a file" in log
    assert not cluster.requeued(1)


def test_what_sbatch_refuses_is_said(root, cluster, tmp_path):
    done = _submit(root, cluster, tmp_path, "--sbatch=--nodes=999", code=2)
    assert "Requested node configuration is not available" in done.stderr


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
