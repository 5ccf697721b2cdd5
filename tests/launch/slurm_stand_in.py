"""A stand-in for Slurm on one machine: sbatch keeps jobs, srun starts ranks here, scontrol names hosts and requeues.

``Cluster(folder)`` makes the commands; ``run`` carries a job out as slurmd would, with the signal of ``--signal=B:``.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

SBATCH = r"""#!/usr/bin/env python3
import pathlib, re, sys
folder = pathlib.Path(__file__).parent.parent
words = [word for word in sys.argv[1:] if not word.startswith("--")]
text = pathlib.Path(words[0]).read_text()
if "--nodes=999" in text:
    sys.exit("sbatch: error: Batch job submission failed: Requested node configuration is not available")
number = len(list(folder.glob("job-*.sbatch"))) + 1
(folder / f"job-{number}.sbatch").write_text(text)
(folder / f"job-{number}.options").write_text(" ".join(word for word in sys.argv[1:] if word.startswith("--")))
print(number)
"""

# One process for each node, each with its rank; a signal goes to all; the first that fails ends the others.
SRUN = r"""#!/usr/bin/env python3
import os, signal, subprocess, sys, time
options, rest = {}, sys.argv[1:]
while rest and rest[0].startswith("--"):
    name, _, value = rest.pop(0).partition("=")
    options[name] = value
count = int(options.get("--ntasks") or options.get("--nodes") or os.environ["SLURM_NNODES"])
first = int(options.get("--relative") or 0)
def rank(i):
    mine = {"SLURM_NODEID": str(i), "SLURM_PROCID": str(i), "SLURMD_NODENAME": f"node{first + i}"}
    return subprocess.Popen(rest, env={**os.environ, **mine})
tasks = [rank(i) for i in range(count)]
def pass_on(number, frame):
    for task in tasks:
        if task.poll() is None:
            task.send_signal(number)
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, pass_on)
worst = 0
while any(task.poll() is None for task in tasks):
    failed = [task.returncode for task in tasks if task.returncode]
    if failed and "--kill-on-bad-exit" in options:
        time.sleep(1)
        for task in tasks:
            if task.poll() is None:
                task.kill()
    time.sleep(0.05)
sys.exit(max(abs(task.returncode) for task in tasks))
"""

SCONTROL = r"""#!/usr/bin/env python3
import os, pathlib, sys
if sys.argv[1:3] == ["show", "hostnames"]:
    print("\n".join(["127.0.0.1"] * int(os.environ["SLURM_NNODES"])))
elif sys.argv[1] == "requeue":
    (pathlib.Path(__file__).parent.parent / f"requeued-{sys.argv[2]}").touch()
"""


class Cluster:
    def __init__(self, folder: Path):
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir(parents=True)
        for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("scontrol", SCONTROL)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        beside = Path(sys.executable).parent  # accelerate and python of this environment
        # A process that hangs leaves by itself, and says where it was.
        self.environ = {
            **os.environ,
            "PATH": f"{self.bin}:{beside}:{os.environ['PATH']}",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "RATCHET_FAULTS__HANG_TIMEOUT": "120",
        }

    def jobs(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("job-*.sbatch"))

    def options(self, number: int) -> str:
        return (self.folder / f"job-{number}.options").read_text()

    def requeued(self, number: int) -> bool:
        return (self.folder / f"requeued-{number}").exists()

    def run(
        self, number: int, when: Path | None = None, said: str = "", array: int | None = None, timeout: float = 300
    ):
        """Carry a job out; once ``said`` stands in the file ``when``, its shell gets the signal. (status, output)"""
        script = self.folder / f"job-{number}.sbatch"
        text = script.read_text()
        nodes = re.search(r"#SBATCH --nodes=(\d+)", text).group(1)
        environ = {
            **self.environ,
            "SLURM_JOB_ID": str(number),
            "SLURM_NNODES": nodes,
            "SLURM_JOB_NODELIST": f"node[0-{nodes}]",
        }
        environ |= {} if array is None else {"SLURM_ARRAY_TASK_ID": str(array)}
        log = self.folder / f"job-{number}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                ["bash", str(script)], env=environ, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
        until = time.monotonic() + timeout
        try:
            while process.poll() is None:
                assert time.monotonic() < until, log.read_text()[-3000:]
                if when is not None and when.exists() and said in when.read_text():
                    os.kill(process.pid, signal.SIGUSR1)  # B: to the batch shell alone
                    when = None
                time.sleep(0.05)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, log.read_text()
