"""What several tests share: the real data where it is there, and the scripts as a person starts them."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("RATCHET_DATA_DIR") or ROOT.parent / "shared" / "data")


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
        pytest.skip(f"no Dakota data: {folder}/grammar_tasks_easy.jsonl is absent (name its parent folder in RATCHET_DATA_DIR)")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def script(tmp_path: Path):
    """Run a command in an empty folder, with the repository's scripts and recipes by their full paths."""
    return _runner(tmp_path)


@dataclass
class Demo:
    """The demo as ``make demo`` runs it, once for all tests that look at it."""

    folder: Path
    stdout: str


@pytest.fixture(scope="session")
def demo(tmp_path_factory) -> Demo:
    """Tests only read its folder, or copy it."""
    place = tmp_path_factory.mktemp("demo")
    done = _runner(place)("scripts/grpo.py", "recipes/demo.yaml", launch="cpu", OMP_NUM_THREADS="2")
    return Demo(place / "outputs/demo", done.stdout)


def _runner(tmp_path: Path):
    def run(
        *words: str,
        code: int = 0,
        launch: str | None = None,
        processes: int | None = None,
        options: tuple[str, ...] = (),
        timeout: int = 600,
        **environ: str,
    ):
        start = [sys.executable]
        if launch:
            start = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(ROOT / "accelerate_configs" / f"{launch}.yaml")]
            start += ["--main_process_port", "0", *(["--num_processes", str(processes)] if processes else []), *options]
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", **environ}
        done = subprocess.run(
            [*start, *(str(ROOT / word) if word.startswith(("scripts/", "recipes/", "src/")) else word for word in words)],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done

    return run
