"""``--on slurm``: a cluster with Slurm, from one of its login nodes."""

from collections.abc import Mapping

from ratchet.launch.place import Place
from ratchet.launch.request import Launch, LaunchRequest
from ratchet.launch.slurm import queue
from ratchet.launch.slurm.files import Options, check, render


class Slurm(Place[Options]):
    """A cluster with Slurm, from one of its login nodes."""

    name = "slurm"
    takes = (
        *("time", "partition", "account", "gpus_per_node", "cpus_per_node", "container", "mounts", "venv", "sbatch"),
        *("notice", "seeds", "inference_nodes", "evaluate", "status", "stop", "follow"),
    )
    flags = frozenset({"evaluate", "status"})

    def manage(self, request: LaunchRequest, environ: Mapping[str, str]) -> int | None:
        """Show the queue, follow a job, or tell it to stop."""
        if request.given("status"):
            print(queue.status())
        elif wanted := request.text("stop"):
            print("\n".join(queue.stop(wanted)))
        elif wanted := request.text("follow"):
            return queue.follow(wanted)
        else:
            return None
        return 0

    def read(self, request: LaunchRequest, environ: Mapping[str, str]) -> Options:
        """The options, each with its default where it is not given."""
        return Options(
            time=request.text("time") or Options.time,
            partition=request.text("partition"),
            account=request.text("account"),
            gpus=request.number("gpus_per_node", None),
            cpus=request.number("cpus_per_node", None, 1),
            container=request.text("container"),
            mounts=request.text("mounts"),
            venv=request.text("venv"),
            more=tuple((request.text("sbatch") or "").split()),
            notice=request.number("notice", Options.notice, 1),
            seeds=request.text("seeds"),
            inference_nodes=request.number("inference_nodes", 0),
            evaluate=request.given("evaluate"),
        )

    def check(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> None:
        """Options that do not go together are refused."""
        check(launch, options)

    def render(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> str:
        """All files, and the commands that submit them."""
        files = render(launch, options)
        texts = [f"# {files.folder / name}\n{text}" for name, text in files.texts.items()]
        submits = [f"sbatch {files.job}"]
        if options.evaluate:
            submits.append(f"sbatch {queue.dependency(files, 'JOB')} {files.folder / 'evaluate.sbatch'}")
        return "\n".join([*texts, *submits])

    def start(self, launch: Launch, options: Options, environ: Mapping[str, str]) -> int:
        """Submit."""
        print("\n".join(queue.submit(render(launch, options))))
        return 0
