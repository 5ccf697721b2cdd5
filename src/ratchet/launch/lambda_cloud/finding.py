"""The one instance of a run: found by its name, or chosen and started.

An instance carries its run's name and its deadline as tags: all that is needed to end it is in the cloud itself, so
that this process may be killed at any moment, and the next call finds what is running. A second one is never started:
the name is looked for before a launch, after one whose answer was lost, and after one that succeeded, where of two the
one that was there first stays.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.files import read_json, write_json
from ratchet.launch.lambda_cloud import files
from ratchet.launch.lambda_cloud.api import GONE, Lambda, Refused, Unanswered
from ratchet.launch.request import Launch

LOST_ANSWER, LOOKS = 600.0, 6  # seconds for which an intended launch is looked for, and how often
PREFIX, RUN_TAG, DEADLINE_TAG = "ratchet-", "ratchet-run", "ratchet-deadline"


@dataclass(frozen=True)
class Options:
    """What an instance may be and cost; the limits have no default on purpose."""

    max_price: float
    """USD an hour that the instance may cost."""
    max_hours: float
    """After which it is ended, even in the middle of a step."""
    instance_type: str | None = None
    region: str | None = None
    ssh_key: str | None = None
    """Name of the one key, of those in the account."""
    identity: str | None = None
    """File of that key's private half."""
    file_system: str | None = None
    """Name of a file system that is mounted, and where outputs go."""
    wait_for_capacity: float = 0.0
    """Minutes to wait where no instance can be had."""
    boot_minutes: float = 30.0
    """In which an instance has to answer over ssh."""
    lost_minutes: float = 15.0
    """Without an answer of the machine, after which it is ended."""
    sync_minutes: float = 10.0
    """Between fetches of results."""
    detach: bool = False
    """Whether this process leaves once the run has begun."""
    pause: float = 10.0
    """Seconds between looks."""
    user: str = "ubuntu"


class Finder:
    """Finds a run's instance, or starts it.

    Args:
        state_file: what this process remembers beside the cloud: an intended launch, and its outcome.
    """

    def __init__(self, launch: Launch, options: Options, api: Lambda, state_file: Path):
        self.launch, self.options, self.api, self.state_file = launch, options, api, state_file
        self.name = PREFIX + launch.name

    def running(self) -> list[dict[str, Any]]:
        """Instances of this run's name that are not on their way out, the oldest deadline first."""
        mine = [one for one in self.api.instances() if one.get("name") == self.name and one["status"] not in GONE]
        return sorted(mine, key=lambda one: (deadline_of(one) or float("inf"), one["id"]))

    def find_or_start(self) -> tuple[str, float]:
        """The run's one instance: its id and its deadline (seconds since 1970)."""
        there = self.running() or self._after_a_lost_answer()
        if there:
            number, deadline = self._adopt(there[0])
            print(f"{self.name} is running already: {number}, until {clock(deadline)}", flush=True)
            return number, deadline
        chosen, region, price = self.choose()
        deadline = time.time() + 3600 * self.options.max_hours
        body = self.request(chosen, region, self.key(), deadline)
        write_json(self.state_file, {"intended": time.time(), "deadline": deadline})
        print(
            f"launching {chosen} in {region} at {price:.2f} USD an hour, until {clock(deadline)} at the latest",
            flush=True,
        )
        try:
            number = self.api.launch(body)
        except Unanswered as error:
            print(f"warning: {error}; looking for what it may have started", flush=True)
            there = self._after_a_lost_answer()
            if not there:
                raise
            return self._adopt(there[0])
        self._save(number, deadline)
        return self._first(number, deadline)

    def _first(self, number: str, deadline: float) -> tuple[str, float]:
        """The instance that stays: of two that were started in the same moment, the one that was there first."""
        try:
            first = (self.running() or [{"id": number}])[0]
        except (Unanswered, Refused):  # it runs, and this process must be able to end it
            return number, deadline
        if first["id"] == number:
            return number, deadline
        self.api.terminate(number)
        print(f"another {self.name} ({first['id']}) was there first; {number} is ended", flush=True)
        return self._adopt(first)

    def _adopt(self, instance: Mapping[str, Any]) -> tuple[str, float]:
        kept = (read_json(self.state_file) or {}).get("deadline")
        deadline = deadline_of(instance) or kept or time.time() + 3600 * self.options.max_hours
        self._save(instance["id"], deadline)
        return instance["id"], deadline

    def _save(self, number: str, deadline: float) -> None:
        write_json(self.state_file, {"id": number, "deadline": deadline, "name": self.name})

    def _after_a_lost_answer(self) -> list[dict[str, Any]]:
        """A launch that was asked for shows up in the list some time later."""
        state = read_json(self.state_file) or {}
        if "id" in state or time.time() - state.get("intended", 0) > LOST_ANSWER:
            return []
        for _ in range(LOOKS):
            if there := self.running():
                return there
            time.sleep(self.options.pause)
        return []

    def choose(self) -> tuple[str, str, float]:
        """Type, region and price: as asked, else the cheapest with enough GPUs that can be had.

        Raises:
            UserError: where none can.
        """
        until = time.monotonic() + 60 * self.options.wait_for_capacity
        while True:
            types = self.api.types()
            fitting = sorted(self._fitting(types), key=lambda one: one[1])
            for name, price, regions in fitting:
                if regions:
                    return name, self._region(regions), price
            if time.monotonic() >= until:
                raise UserError(self._none(types, fitting))
            print(f"no capacity for {', '.join(name for name, _, _ in fitting)}; waiting", flush=True)
            time.sleep(max(self.options.pause, 1.0))

    def _region(self, regions: list[str]) -> str:
        return self.options.region if self.options.region in regions else regions[0]

    def _fitting(self, types: Mapping[str, Any]) -> Iterator[tuple[str, float, list[str]]]:
        home = self._file_system_region()
        for name, entry in types.items():
            price = entry["instance_type"]["price_cents_per_hour"] / 100
            gpus = entry["instance_type"]["specs"]["gpus"]
            if self.options.instance_type not in (None, name) or price > self.options.max_price:
                continue
            if self.options.instance_type is None and gpus != self.launch.placement.per_machine:
                continue
            regions = [region["name"] for region in entry["regions_with_capacity_available"]]
            wanted = home or self.options.region
            yield name, price, [region for region in regions if wanted in (None, region)]

    def _none(self, types: Mapping[str, Any], fitting: list) -> str:
        if fitting:
            names = ", ".join(name for name, _, _ in fitting)
            return f"no capacity for {names} now; --wait-for-capacity MINUTES waits for it"
        wanted = self.options.instance_type
        if wanted is not None and wanted not in types:
            return f"--instance-type: Lambda has no {wanted}; it has {', '.join(sorted(types))}"
        if wanted is not None:
            price = types[wanted]["instance_type"]["price_cents_per_hour"] / 100
            return f"{wanted} costs {price:.2f} USD an hour, more than --max-price {self.options.max_price:g}"
        gpus = self.launch.placement.per_machine
        return (
            f"no instance type has {gpus} GPUs for at most {self.options.max_price:g} USD an hour; "
            "--on lambda --list shows them"
        )

    def _file_system_region(self) -> str | None:
        if self.options.file_system is None:
            return None
        there = {one["name"]: one["region"]["name"] for one in self.api.file_systems()}
        if self.options.file_system not in there:
            names = ", ".join(there) or "none"
            raise UserError(f"--file-system: there is no {self.options.file_system}; there are {names}")
        return there[self.options.file_system]

    def request(self, kind: str, region: str, key: str, deadline: float) -> dict[str, Any]:
        """The body of the launch: exactly one key, no secret anywhere."""
        body = {
            "region_name": region,
            "instance_type_name": kind,
            "ssh_key_names": [key],
            "name": self.name[:64],
            "user_data": files.user_data(self.launch.name, deadline),
            "tags": [
                {"key": RUN_TAG, "value": self.launch.name[:128]},
                {"key": DEADLINE_TAG, "value": str(int(deadline))},
            ],
        }
        return body | ({"file_system_names": [self.options.file_system]} if self.options.file_system else {})

    def key(self) -> str:
        """The one key, by the name it has in the account."""
        names = [one["name"] for one in self.api.ssh_keys()]
        if self.options.ssh_key is None and len(names) == 1:
            return names[0]
        if self.options.ssh_key not in names:
            keys = ", ".join(names) or "there are none; add one in the console"
            raise UserError(f"--ssh-key NAME: name one of the account's keys: {keys}")
        return self.options.ssh_key


def deadline_of(instance: Mapping[str, Any]) -> float | None:
    """As its tag says."""
    for tag in instance.get("tags") or ():
        if tag.get("key") == DEADLINE_TAG and str(tag.get("value")).isdigit():
            return float(tag["value"])
    return None


def clock(when: float) -> str:
    """A time of day for a reader."""
    return datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M")
