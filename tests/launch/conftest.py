"""A real Slurm for the tests that want one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import slurm_here  # noqa: E402


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Two nodes here; commands that a test starts speak with them."""
    if missing := slurm_here.missing():
        pytest.skip(f"no Slurm here: {', '.join(missing)} missing (on Debian: apt-get install slurm-wlm munge)")
    made = slurm_here.Cluster(tmp_path / "slurm")
    monkeypatch.setenv("SLURM_CONF", str(made.configuration))
    yield made
    made.close()
