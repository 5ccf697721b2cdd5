"""One run on one instance of Lambda Cloud, from its start to its end through the API, whether or not it fails."""

import signal
import time
from collections.abc import Mapping
from pathlib import Path

from ratchet.errors import Stopped, UserError
from ratchet.files import alone
from ratchet.launch.lambda_cloud import files
from ratchet.launch.lambda_cloud.api import GONE, Lambda, Refused, Unanswered
from ratchet.launch.lambda_cloud.finding import Finder, Options, clock
from ratchet.launch.remote import Machine
from ratchet.launch.rented import LAST, Pace, Rental, RentedRun
from ratchet.launch.request import Launch
from ratchet.launch.sent import PASSED_ON, carried, secrets_file
from ratchet.launch.signals import remembered

STOPPING = "stopping: the instance is ended first (this takes a moment)"
AFTER_DEADLINE = 3600.0  # seconds for which ending an instance is tried again


class Instance(Rental):
    """The rented instance of a run.

    Args:
        told: signals that this process was sent, as they come in.
    """

    def __init__(self, options: Options, api: Lambda, folder: Path, told: list[int]):
        self.options, self.api, self.folder, self.told = options, api, folder, told
        self.id, self.deadline = "", 0.0

    def wait_until_active(self) -> Machine:
        """Wait until it has an address and answers over ssh."""
        options, until = self.options, time.monotonic() + 60 * self.options.boot_minutes
        address = self._address(until)
        machine = Machine(address, options.user, options.identity, self.folder / f"known_hosts-{self.id}")
        machine.wait(max(60.0, until - time.monotonic()), options.pause, self.check)
        print(f"{self.id} is up: {address}", flush=True)
        return machine

    def _address(self, until: float) -> str:
        said = ""
        while True:
            self.check()
            instance = self.api.instance(self.id)
            status = instance["status"] if instance else "gone"
            if instance is None or status in (*GONE, "unhealthy"):
                raise UserError(f"the instance {self.id} is {status} before the run began")
            if status == "active" and instance.get("ip"):
                return instance["ip"]
            if time.monotonic() > until:
                minutes = f"{self.options.boot_minutes:g} minutes (--boot-minutes)"
                raise UserError(f"the instance {self.id} did not come up in {minutes}")
            if status != said:
                said = status
                print(f"{self.id} is {said}", flush=True)
            time.sleep(self.options.pause)

    def check(self) -> None:
        """A signal, or the deadline, stops the run."""
        if self.told:
            raise Stopped(
                f"{signal.Signals(self.told[0]).name}: the instance is ended; "
                "the same command starts another, which resumes from what was fetched"
            )
        # A launch of minutes, as for a trial, has no time to keep for saving.
        reserve = LAST if self.options.max_hours > 0.5 else 0.0
        if time.time() > self.deadline - reserve:
            raise Stopped(f"--max-hours {self.options.max_hours:g}: the time is up, the instance is ended")

    def still_there(self) -> None:
        """An API that does not answer says nothing; one that does may say that the instance is gone."""
        try:
            instance = self.api.instance(self.id)
        except (Unanswered, Refused):
            return
        status = instance["status"] if instance else "gone"
        if instance is None or status in GONE:
            raise UserError(f"the instance {self.id} is {status}: ended from elsewhere, or preempted")

    def end(self) -> None:
        """End it through the API, until that says so; never gives up silently."""
        warned = False
        while self.id:
            try:
                self.api.terminate(self.id)
                instance = self.api.instance(self.id)
                if instance is None or instance["status"] in GONE:
                    print(f"{self.id} is ended", flush=True)
                    state_file(self.folder).unlink(missing_ok=True)
                    return
            except (Unanswered, Refused) as error:
                if not warned:
                    by_hand = f"ratchet launch --on lambda --stop {self.id}"
                    text = f"{self.id} COULD NOT BE ENDED YET: {error}; trying on. By hand: {by_hand}"
                    print(f"warning: {text}", flush=True)
                warned = True
            if time.time() > self.deadline + AFTER_DEADLINE:
                raise UserError(f"{self.id} could not be ended; end it in Lambda's console, it costs money")
            time.sleep(self.options.pause)


def run(launch: Launch, options: Options, api: Lambda, environ: Mapping[str, str]) -> int:
    """The whole life of one run on Lambda; returns the run's exit status."""
    folder = folder_of(launch)
    carried(launch)  # what cannot be carried is said before anything is paid for
    with (
        alone(folder / ".lock", f"the launch of {launch.name} ({folder})", "--output_dir"),
        remembered(STOPPING) as told,
    ):
        instance = Instance(options, api, folder, told)
        instance.id, instance.deadline = Finder(launch, options, api, state_file(folder)).find_or_start()
        return _train(launch, options, instance, environ)


def _train(launch: Launch, options: Options, instance: Instance, environ: Mapping[str, str]) -> int:
    """Train on an instance that is running or booting, and end it, unless it is to be left alone."""
    rented, keep = None, False
    try:
        machine = instance.wait_until_active()
        pace = Pace(options.pause, options.lost_minutes, options.sync_minutes)
        rented = RentedRun(launch, instance, machine, pace, instance.folder / "run.log")
        rented.begin(_secrets(launch, instance, environ), files.outputs_of(options.file_system))
        if options.detach:
            keep = True
            until = f"it trains on without this process, until {clock(instance.deadline)}"
            print(f"{until}; the same command follows it, --stop {launch.name} ends it")
            return 0
        code = rented.follow()
        print(f"the run ended with exit status {code}", flush=True)
        return code
    except Stopped:
        if rented is not None:
            rented.save()
        raise
    finally:
        if not keep:
            if rented is not None:
                rented.fetch()
            instance.end()


def _secrets(launch: Launch, instance: Instance, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What goes into the instance's memory: the watchdog's keys, and the run's."""
    keys = {
        "LAMBDA_API_KEY": environ["LAMBDA_API_KEY"],
        "INSTANCE_ID": instance.id,
        "LAMBDA_API_URL": instance.api.url,
    }
    passed_on = {name: environ[name] for name in PASSED_ON if environ.get(name)}
    return {files.keys_file(launch.name): keys, secrets_file(launch.name): passed_on}


def folder_of(launch: Launch) -> Path:
    """The folder here that keeps the log and what is known of the instance."""
    return launch.beside("lambda").absolute()


def state_file(folder: Path) -> Path:
    """What this machine remembers of the instance, beside what the cloud itself knows."""
    return folder / "state.json"
