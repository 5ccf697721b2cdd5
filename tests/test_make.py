"""What ``make`` would install."""

import subprocess

import pytest


@pytest.mark.parametrize(("gpu", "index"), [("", True), ("/proc/driver/nvidia/version", False)])
def test_without_the_driver_of_a_gpu_pytorchs_cpu_build_is_taken(root, gpu, index):
    words = ["make", "-n", ".venv-of-a-test/installed", f"GPU={gpu}", "VENV=.venv-of-a-test"]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    assert ("download.pytorch.org/whl/cpu" in done.stdout) is index
    assert ("its CPU build" in done.stdout) is index
