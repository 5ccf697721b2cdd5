"""What SkyPilot 0.14.1 can do on each cloud, where that decides what a launch may ask for.

The facts are those of its own classes (``_CLOUD_UNSUPPORTED_FEATURES``), with which ``tests/launch/test_sky.py``
compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ratchet.errors import UserError

VERSION = "0.14.1"


@dataclass(frozen=True)
class Cloud:
    """One of SkyPilot's clouds."""

    name: str
    """As ``infra`` takes it."""
    several: bool = True
    """Whether a task can have several nodes."""
    autodown: bool = True
    """Whether the machine ends itself when nothing runs on it any more."""
    spot: bool = True
    buckets: bool = True
    """Whether a bucket can be mounted."""


CLOUDS = {
    cloud.name: cloud
    for cloud in (
        Cloud("aws"),
        Cloud("gcp"),
        Cloud("azure"),
        Cloud("k8s", spot=False),
        Cloud("lambda", spot=False),
        Cloud("runpod", several=False, buckets=False),
        Cloud("vast", several=False, buckets=False),
        Cloud("primeintellect", several=False, autodown=False),
        Cloud("hyperbolic", several=False, autodown=False, spot=False, buckets=False),
    )
}
ALIASES = {"kubernetes": "k8s"}
# Ratchet's name of a GPU (``ratchet plan --gpu``) -> SkyPilot's.
ACCELERATORS = {
    "h100": "H100",
    "h200": "H200",
    "a100-80": "A100-80GB",
    "a100-40": "A100",
    "a10": "A10",
    "l4": "L4",
    "rtx4090": "RTX4090",
}


@dataclass(frozen=True)
class Place:
    """A cloud, and what follows its name: a region, a zone, a context."""

    cloud: Cloud
    infra: str


def places(text: str) -> list[Place]:
    """The clouds that ``--infra`` names, as ``gcp,lambda`` or ``aws/us-east-1``.

    Raises:
        UserError: for one that is not known.
    """
    found = []
    for word in (part.strip() for part in text.split(",")):
        name, slash, rest = word.partition("/")
        name = ALIASES.get(name.lower(), name.lower())
        if name == "slurm":
            raise UserError("--infra slurm: ratchet launch --on slurm speaks with it without SkyPilot")
        if name not in CLOUDS:
            raise UserError(f"--infra: there is no {word or 'nothing'}; choose from {', '.join(CLOUDS)}")
        found.append(Place(CLOUDS[name], f"{name}{slash}{rest}"))
    return found


def refuse(chosen: Sequence[Place], feature: str, wanted: str) -> None:
    """Raise a UserError that names the clouds without a feature."""
    without = [place.infra for place in chosen if not getattr(place.cloud, feature)]
    if without:
        others = ", ".join(name for name, cloud in CLOUDS.items() if getattr(cloud, feature))
        raise UserError(f"{wanted}: SkyPilot has none of that on {', '.join(without)}; there are {others}")
