"""What several tests share: the real data where it is there, and the program and scripts as a person starts them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

sys.path.insert(0, str(Path(__file__).parent))
from warm import Warm, warm  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
# A shell starts what it runs in the background with SIGINT ignored, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup has it ignored
if WORKER:  # each keeps to a core of its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")
DATA = Path(os.environ.get("RATCHET_DATA_DIR") or ROOT.parent / "shared" / "data")

collect_ignore = ["training/trainers/async_on_cpu.py", "training/vllm_on_cpu.py"]  # scripts, which tests start


@pytest.fixture(scope="session")
def aqua_folder() -> Path:
    """Real AQuA-RAT rows; they are not part of the project."""
    folder = DATA / "aqua"
    if not (folder / "dev.json").is_file():
        pytest.skip(f"no AQuA-RAT data: {folder}/dev.json is absent (name its parent folder in RATCHET_DATA_DIR)")
    return folder


@pytest.fixture(scope="session")
def dakota_folder() -> Path:
    """The published Dakota rows; they are not part of the project."""
    folder = DATA / "dakota"
    if not (folder / "grammar_tasks_easy.jsonl").is_file():
        pytest.skip(
            f"no Dakota data: {folder}/grammar_tasks_easy.jsonl is absent (name its parent folder in RATCHET_DATA_DIR)"
        )
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def script(tmp_path: Path):
    """Run a script, or "ratchet" and a verb, in an empty folder; the repository's recipes get their full paths."""
    return _runner(tmp_path)


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory) -> Path:
    """A real language model, with a tokenizer, a template and weights that were made elsewhere."""
    from ratchet.errors import UserError
    from ratchet.integrations.smollm2 import fetch

    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if WORKER else base) / "smollm2"  # one for all workers
    with FileLock(folder.with_suffix(".lock")):
        try:
            fetch(folder)
        except UserError as error:
            pytest.skip(f"no SmolLM2: {str(error).splitlines()[0]}")
    return folder


@dataclass
class Demo:
    """The demo as ``make demo`` runs it, once for all tests that look at it."""

    folder: Path
    stdout: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    """Tests only read its folder, or copy it."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if WORKER else base) / "demo"  # one for all workers
    said = place / "stdout"
    with FileLock(place.with_suffix(".lock")):
        if not said.exists():
            place.mkdir()
            done = _runner(place)(
                "scripts/grpo.py", "recipes/demo.yaml", launch="cpu", OMP_NUM_THREADS="1" if WORKER else "2"
            )
            said.write_text(done.stdout)
    return Demo(place / "outputs/demo", said.read_text())


def finish(
    words: Sequence[str], folder: Path, timeout: int, stdin: str | None = None, **environ: str
) -> subprocess.CompletedProcess:
    """Run a command to its end; one that takes too long is killed with all that it started, or it slows others."""
    # A process that hangs leaves by itself before that, and says where it was.
    env = {
        "RATCHET_FAULTS__HANG_TIMEOUT": str(timeout / 3),
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**env, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        stdout, stderr = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        for doomed in [*psutil.Process(process.pid).children(recursive=True), process]:
            doomed.kill()
        raise
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


@pytest.fixture
def running():
    """The command lines that hold a text, of all processes here."""

    def find(text: str) -> list[str]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return [words for words in found if text in words]

    return find


@pytest.fixture
def two_ranks():
    """Run a program as two processes that know each other, each the first of its node; what each prints."""

    def run(program: str, *words: tuple[str, ...]) -> list[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
        together = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        ranks = [
            subprocess.Popen(
                [sys.executable, "-c", program, *words[rank]],
                env={**os.environ, **together, "RANK": str(rank), "SLURMD_NODENAME": f"node-{rank}"},
                stdout=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        return [rank.communicate(timeout=120)[0] for rank in ranks]

    return run


@pytest.fixture(scope="session", name="finish")
def _finish():
    """``finish``, for tests that start processes of their own."""
    return finish


def _warm(words: list[str], folder: Path, code: int, timeout: int, said: str) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as place:
        out, err, told = Path(place, "stdout"), Path(place, "stderr"), Path(place, "stdin")
        told.write_text(said, encoding="utf-8")
        process = Warm(words, folder, out, err, told)
        try:
            found = process.wait(timeout)
        finally:
            process.kill()
        texts = [path.read_text(encoding="utf-8", errors="replace") if path.exists() else "" for path in (out, err)]
    assert found == code, f"exit {found}\n{texts[0][-3000:]}\n{texts[1][-6000:]}"
    return subprocess.CompletedProcess(words, found, *texts)


def _runner(tmp_path: Path):
    def run(
        *words: str,
        code: int = 0,
        launch: str | None = None,
        processes: int | None = None,
        options: tuple[str, ...] = (),
        timeout: int = 600,
        stdin: str | None = None,
        **environ: str,
    ):
        paths = [str(ROOT / word) if word.startswith(("scripts/", "recipes/", "src/")) else word for word in words]
        light = warm(words)
        if words[0] == "ratchet":  # the program, of this source and not the installed one
            paths = ["-m", *paths]
        if launch is None and light and set(environ) <= {"OMP_NUM_THREADS"}:
            return _warm(paths, tmp_path, code, timeout, stdin or "")
        start = [sys.executable]
        if launch:
            start = [
                sys.executable,
                "-m",
                "accelerate.commands.launch",
                "--config_file",
                str(ROOT / "accelerate_configs" / f"{launch}.yaml"),
            ]
            start += [
                "--main_process_port",
                "0",
                *(["--num_processes", str(processes)] if processes else []),
                *options,
            ]
        done = finish([*start, *paths], tmp_path, timeout, stdin, **environ)
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done

    return run
