"""A real Slurm for the tests that want one."""

import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import slurm_here  # noqa: E402


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
