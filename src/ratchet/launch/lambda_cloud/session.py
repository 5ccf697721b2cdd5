"""One run on one instance of Lambda Cloud, from its start to its end through the API, whatever happens in between."""

import shlex
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ratchet.errors import Stopped, UserError
from ratchet.files import alone, keep_earlier
from ratchet.launch.lambda_cloud import files
from ratchet.launch.lambda_cloud.api import GONE, Lambda, Refused, Unanswered
from ratchet.launch.lambda_cloud.finding import Finder, Options, clock
from ratchet.launch.remote import Lost, Machine
from ratchet.launch.request import Launch
from ratchet.launch.signals import remembered
from ratchet.runtime import duration

PASSED_ON = ("HF_TOKEN", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_ENTITY")
STOPPING = "stopping: the instance is ended first (this takes a moment)"
LAST = 300.0  # seconds before the deadline at which the run is told to save


class Session:
    """A run's time on its instance."""

    def __init__(self, launch: Launch, options: Options, api: Lambda, environ: Mapping[str, str]):
        self.launch, self.options, self.api, self.environ = launch, options, api, environ
        self.folder = folder_of(launch)
        self.state_file, self.log = self.folder / "state.json", self.folder / "run.log"
        self.id, self.deadline = "", 0.0
        self._fetched = self._heard = time.monotonic()

    def wait_until_active(self, told: list[int]) -> Machine:
        """Until it has an address and answers."""
        until, said = time.monotonic() + 60 * self.options.boot_minutes, ""
        while True:
            self._check(told)
            instance = self.api.instance(self.id)
            if instance is None or instance["status"] in GONE or instance["status"] == "unhealthy":
                raise UserError(
                    f"the instance {self.id} is {instance['status'] if instance else 'gone'} before the run began"
                )
            if instance["status"] == "active" and instance.get("ip"):
                break
            if time.monotonic() > until:
                raise UserError(
                    f"the instance {self.id} did not come up in {self.options.boot_minutes:g} minutes (--boot-minutes)"
                )
            if instance["status"] != said:
                said = instance["status"]
                print(f"{self.id} is {said}", flush=True)
            time.sleep(self.options.pause)
        machine = Machine(
            instance["ip"], self.options.user, self.options.identity, self.folder / f"known_hosts-{self.id}"
        )
        machine.wait(max(60.0, until - time.monotonic()), self.options.pause, lambda: self._check(told))
        print(f"{self.id} is up: {instance['ip']}", flush=True)
        return machine

    def begin(self, machine: Machine) -> None:
        """Give it code and secrets, and start the run, once: a second call finds it started."""
        if machine.run(f"[ -d {files.HOME}/started ] && echo yes || echo no").strip() == b"yes":
            return
        keys = {
            "LAMBDA_API_KEY": self.environ["LAMBDA_API_KEY"],
            "INSTANCE_ID": self.id,
            "LAMBDA_API_URL": self.api.url,
        }
        secrets = {name: self.environ[name] for name in PASSED_ON if self.environ.get(name)}
        for path, values in (
            (files.keys_file(self.launch.name), keys),
            (files.secrets_file(self.launch.name), secrets),
        ):
            text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
            machine.run(f"umask 077 && mkdir -p {Path(path).parent} && cat > {path}", text.encode())
        sent = [*files.tracked(self.launch.root), *carried(self.launch)]
        print(f"sending {len(sent)} files", flush=True)
        machine.send(self.launch.root, sent, files.CODE)
        outputs = files.outputs_of(self.options.file_system)
        if outputs is None and (earlier := earlier_outputs(self.launch)):
            print(f"sending {self.launch.recipe.output_dir}, so that the run goes on from there", flush=True)
            machine.send(Path.cwd(), earlier, files.CODE)
        machine.run(f"cat > {files.CODE}/recipe.yaml", self.launch.recipe.as_yaml().encode())
        machine.run(f"cat > {files.CODE}/accelerate.yaml", self.launch.accelerate_yaml().encode())
        machine.run(f"cat > {files.HOME}/run.sh", files.run_script(self.launch, outputs).encode())
        machine.run(
            f"mkdir {files.HOME}/started && cd {files.HOME} && (setsid nohup bash run.sh > run.log 2>&1 < /dev/null &)"
        )
        if kept := keep_earlier(self.log):  # of an earlier instance: this one's begins anew
            print(kept, flush=True)
        print("the run has begun", flush=True)

    def follow(self, machine: Machine, told: list[int]) -> int:
        """Show the log and fetch results until the run ends; its exit status."""
        shown = self.log.stat().st_size if self.log.exists() else 0
        self._heard = time.monotonic()
        while True:
            self._check(told)
            try:
                text = machine.run(
                    f"tail -c +{shown + 1} {files.HOME}/run.log; cat {files.HOME}/exit 2> /dev/null > /dev/null && echo -n '\001'"
                )
                self._heard = time.monotonic()
            except (Lost, UserError) as error:
                self._lost(error)
                continue
            over, text = text.endswith(b"\001"), text.removesuffix(b"\001")
            shown += len(text)
            with self.log.open("ab") as file:
                file.write(text)
            sys.stdout.write(text.decode(errors="replace"))
            sys.stdout.flush()
            if over:
                return int(machine.run(f"cat {files.HOME}/exit").strip() or 1)
            if time.monotonic() - self._fetched > 60 * self.options.sync_minutes:
                self.fetch(machine, "checkpoint-*")
            time.sleep(self.options.pause)

    def _lost(self, error: Exception) -> None:
        gone = time.monotonic() - self._heard
        if gone > 60 * self.options.lost_minutes:
            raise Lost(f"{self.id} has not answered for {duration(gone)} ({error}); it is ended")
        try:
            instance = self.api.instance(self.id)
        except (Unanswered, Refused):
            instance = {"status": "unknown"}
        if instance is None or instance["status"] in GONE:
            raise UserError(
                f"the instance {self.id} is {instance['status'] if instance else 'gone'}: ended from elsewhere, or preempted"
            )
        print(f"warning: {error}; trying again", flush=True)
        time.sleep(self.options.pause)

    def fetch(self, machine: Machine, leave_out: str | None = None) -> None:
        """The run's folder, as it is there now."""
        self._fetched = time.monotonic()
        output = self.launch.recipe.output_dir
        try:
            got = machine.fetch(f"{files.CODE}/{output.parent}", output.name, output.absolute().parent, leave_out)
            print(f"results fetched to {output}" if got else "there are no results yet", flush=True)
        except (Lost, UserError) as error:
            print(f"warning: the results could not be fetched: {error}", flush=True)

    def save(self, machine: Machine) -> None:
        """Ask the run to finish its step, and give it some time."""
        try:
            machine.run(r"pkill -USR1 -f '^[^ ]*python[^ ]*( -u)? scripts/(grpo|sft)[.]py recipe[.]yaml' || true")
            until = min(self.deadline - 60, time.time() + LAST)
            while (
                time.time() < until
                and machine.run(f"[ -f {files.HOME}/exit ] && echo yes || echo no").strip() != b"yes"
            ):
                time.sleep(min(5.0, self.options.pause))
        except (Lost, UserError) as error:
            print(f"warning: the run could not be told to save: {error}", flush=True)

    def _check(self, told: list[int]) -> None:
        if told:
            raise Stopped(
                f"{signal.Signals(told[0]).name}: the instance is ended; the same command starts another, which goes on from what was fetched"
            )
        if time.time() > self.deadline - LAST * (self.options.max_hours > 0.5):
            raise Stopped(f"--max-hours {self.options.max_hours:g}: the time is up, the instance is ended")

    def end(self) -> None:
        """Through the API, until it says so; never gives up silently."""
        told = False
        while self.id:
            try:
                self.api.terminate(self.id)
                instance = self.api.instance(self.id)
                if instance is None or instance["status"] in GONE:
                    print(f"{self.id} is ended", flush=True)
                    self.state_file.unlink(missing_ok=True)
                    return
            except (Unanswered, Refused) as error:
                if not told:
                    print(
                        f"warning: {self.id} COULD NOT BE ENDED YET: {error}; trying on. By hand: ratchet launch --on lambda --stop {self.id}",
                        flush=True,
                    )
                told = True
            if time.time() > self.deadline + 3600:
                raise UserError(f"{self.id} could not be ended; end it in Lambda's console, it costs money")
            time.sleep(self.options.pause)


def run(launch: Launch, options: Options, api: Lambda, environ: Mapping[str, str]) -> int:
    """The whole life of one run on Lambda; returns the run's exit status."""
    session = Session(launch, options, api, environ)
    carried(launch)  # what cannot be carried is said before anything is paid for
    with (
        alone(session.folder / ".lock", f"the launch of {launch.name} ({session.folder})", "--output_dir"),
        remembered(STOPPING) as told,
    ):
        finder = Finder(launch, options, api, session.state_file)
        session.id, session.deadline = finder.find_or_start()
        machine, keep = None, False
        try:
            machine = session.wait_until_active(told)
            session.begin(machine)
            if options.detach:
                keep = True
                print(
                    f"it goes on without this process, until {clock(session.deadline)}; the same command follows it, --stop {launch.name} ends it"
                )
                return 0
            code = session.follow(machine, told)
            print(f"the run ended with exit status {code}", flush=True)
            return code
        except Stopped:
            if machine is not None:
                session.save(machine)
            raise
        finally:
            if not keep:
                if machine is not None:
                    session.fetch(machine)
                session.end()


def folder_of(launch: Launch) -> Path:
    """Where this machine keeps the log and what it knows of the instance."""
    return launch.recipe.output_dir.absolute().with_name(f"{launch.name}.lambda")


def earlier_outputs(launch: Launch) -> list[Path]:
    """Files of the run's folder here, as an earlier instance left them."""
    folder = Path.cwd() / launch.recipe.output_dir
    return [file for file in sorted(folder.rglob("*")) if file.is_file()] if folder.is_dir() else []


def carried(launch: Launch) -> list[Path]:
    """Files of data and models that are named by a folder here and not in git.

    Raises:
        UserError: where such a folder lies outside the repository, or outputs would go to a place of this machine.
    """
    if launch.recipe.output_dir.is_absolute():
        raise UserError(
            f"output_dir: {launch.recipe.output_dir} is a folder of this machine; write one relative to this folder, as outputs/{launch.name}"
        )
    found = []
    for key, value in (
        ("data.source", getattr(launch.recipe.task, "source", None)),
        ("model_name_or_path", launch.recipe.values.get("model_name_or_path")),
    ):
        folder = Path(str(value or "")).expanduser()
        if not value or not folder.is_dir():
            continue
        if not folder.resolve().is_relative_to(launch.root.resolve()):
            raise UserError(
                f"{key}: {value} lies outside the repository, so it cannot be sent along; put it into {launch.root}, or on the Hub"
            )
        if Path(value).is_absolute():
            raise UserError(
                f"{key}: write {folder.resolve().relative_to(launch.root.resolve())} in the place of {value}, which is a folder of this machine"
            )
        found += [file for file in sorted((launch.root / folder).rglob("*")) if file.is_file()]
    return found
