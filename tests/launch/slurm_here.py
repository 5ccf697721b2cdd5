"""A real Slurm on this machine, as any user: a controller and some nodes, each at an address of 127.0.0.0/8.

``Cluster(folder)`` starts it, ``close`` ends it with all that it has started. Nothing outside the folder is written:
munge has a key and a socket of its own, and the nodes are named by their addresses, so that no name must be resolved.
"""

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
SBIN = ("/usr/sbin", "/sbin")
CONFIGURATION = """\
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,requeue_setup_env_fail
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait={kill_wait}
MinJobAge=600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=60
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


def missing() -> list[str]:
    """The programs that are not installed here."""
    return [name for name in PROGRAMS if _program(name) is None]


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN]))


def _apart() -> list[str]:
    """What starts a program with file systems of its own."""
    return ["unshare", "--mount", *([] if os.getuid() == 0 else ["--user", "--map-root-user"])]


def can_mount() -> bool:
    """Whether a node here can have file systems of its own: some containers allow none."""
    try:
        words = [*_apart(), "mount", "-t", "tmpfs", "none", "/mnt"]
        return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class Cluster:
    """A controller and its nodes; ``environ`` is what commands need to speak with it.

    Args:
        folder: for its own files; a short path, since sockets lie there.
        home: where its users have theirs.
    """

    def __init__(self, folder: Path, home: Path, nodes: int = 2, kill_wait: int = 30):
        self.folder, self.home = folder, home
        for name in ("munge", "state", "spool"):
            (folder / name).mkdir(parents=True)
        (folder / "munge").chmod(0o700)
        self.nodes = [f"127.0.0.{1 + number}" for number in range(nodes)]
        controller, *ports = _free_ports(1 + nodes)
        user, host = psutil.Process().username(), socket.gethostname().split(".")[0]
        lines = [
            f"NodeName={name} NodeHostname={host} NodeAddr={name} Port={port} CPUs=2 RealMemory=2000 State=UNKNOWN"
            for name, port in zip(self.nodes, ports, strict=True)
        ]
        self.configuration = folder / "slurm.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                folder=folder, user=user, host=host, controller=controller, kill_wait=kill_wait, nodes="\n".join(lines)
            )
        )
        beside = Path(sys.executable).parent  # accelerate and python of this environment
        self.environ = {
            **os.environ,
            "SLURM_CONF": str(self.configuration),
            "PATH": f"{beside}:{os.environ['PATH']}",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            # A process that hangs leaves by itself, and says where it was.
            "RATCHET_FAULTS__HANG_TIMEOUT": "120",
        }
        self._daemons: dict[str, subprocess.Popen] = {}
        try:
            self._start_munge()
            self._start("slurmctld", "-D", "-f", str(self.configuration))
            for name in self.nodes:
                self.boot(name)
            self.until(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "no node came up", 60)
        except BaseException:
            self.close()
            raise

    def _start_munge(self) -> None:
        place = self.folder / "munge"
        key = place / "key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = {"key-file": key, "socket": place / "socket", "pid-file": place / "pid"}
        files |= {"log-file": place / "log", "seed-file": place / "seed"}
        here = ("--foreground", "--force", "--origin=127.0.0.1")
        self._start("munged", *here, *(f"--{name}={path}" for name, path in files.items()))
        self.until((place / "socket").exists, "munge did not start", 20)

    def _start(self, program: str, *words: str, name: str | None = None) -> None:
        with (self.folder / f"{name or program}.out").open("ab") as out:
            self._daemons[name or program] = subprocess.Popen(
                [_program(program), *words], env=self.environ, stdout=out, stderr=out, start_new_session=True
            )

    def boot(self, name: str, before: str = "") -> None:
        """Start a node's slurmd; a command before it sees file systems of its own, which are the node's alone."""
        words = ["slurmd", "-D", "-f", str(self.configuration), "-N", name]
        if before:
            words = [*_apart(), "bash", "-c", f"{before}; exec {shlex.join([_program(words[0]), *words[1:]])}"]
        self._start(*words, name=f"slurmd-{name}")

    def reboot(self, name: str, before: str) -> None:
        """Start an idle node again, with file systems of its own."""
        self._daemons[f"slurmd-{name}"].kill()
        self._daemons.pop(f"slurmd-{name}").wait()
        self.boot(name, before)
        self.until(lambda: self.states()[name] == "idle", "the node does not come back", 60)

    def fail(self, name: str) -> None:
        """A node loses its power: nothing on it answers any more, and no connection is closed."""
        for process in self._on(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def revive(self, name: str) -> None:
        """It comes back, with nothing that ran on it."""
        for process in self._on(name):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._daemons.pop(f"slurmd-{name}").wait()
        self.boot(name)

    def _on(self, name: str) -> list[psutil.Process]:
        """A node's slurmd and all that Slurm has started there."""
        daemon = psutil.Process(self._daemons[f"slurmd-{name}"].pid)
        steps = [one for one in self._of_jobs() if _variable(one, "SLURMD_NODENAME") == name]
        return list(dict.fromkeys([daemon, *daemon.children(recursive=True), *steps]))

    def _of_jobs(self) -> list[psutil.Process]:
        """Processes of this cluster's jobs, wherever they have gone."""
        own = str(self.configuration)
        return [one for one in psutil.process_iter() if _variable(one, "SLURM_CONF") == own and one.pid != os.getpid()]

    def close(self) -> None:
        """End all jobs, and the daemons."""
        for process in self._of_jobs():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()

    # What a person would type.

    def ask(self, *words: str, check: bool = True) -> str:
        """What a command prints."""
        done = subprocess.run(words, env=self.environ, capture_output=True, text=True, timeout=60)
        assert not (check and done.returncode), (words, done.stdout, done.stderr)
        return done.stdout.strip()

    def ratchet(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """``ratchet`` on the login node, in the repository."""
        done = subprocess.run(
            [sys.executable, "-m", "ratchet", *words],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def trains(self, output: Path, step: int) -> None:
        """Wait until a run has logged a step."""
        log = output / "diagnostics/log.jsonl"
        self.until(lambda: log.exists() and f'"step": {step},' in log.read_text(), f"no step {step}")

    @staticmethod
    def logs(folder: Path) -> str:
        """What all jobs of a folder's runs have printed."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(folder.glob("*.slurm/*.log")))

    def states(self) -> dict[str, str]:
        """Each node's state."""
        lines = self.ask("sinfo", "--noheader", "--Node", "--partition", "main", "--format=%N %T", check=False)
        return dict(line.split() for line in lines.splitlines())

    def job(self, number: str, key: str = "JobState") -> str:
        """A field of ``scontrol show job``."""
        for word in self.ask("scontrol", "show", "job", number, check=False).split():
            name, _, value = word.partition("=")
            if name == key:
                return value
        return ""

    def until(self, true: Callable[[], object], failure: str, seconds: float = 240) -> None:
        """Wait until something is true.

        Raises:
            AssertionError: with the failure and what the daemons said, after so many seconds.
        """
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                logs = [path for path in self.folder.rglob("*") if path.suffix in (".log", ".out")]
                texts = [f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in logs]
                raise AssertionError("\n".join([failure, *texts]))
            time.sleep(0.1)

    def ended(self, number: str, seconds: float = 300) -> str:
        """Wait for a job's end; how it ended."""
        over = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "DEADLINE", "OUT_OF_MEMORY")
        self.until(lambda: self.job(number) in over, f"job {number} does not end", seconds)
        return self.job(number)


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
