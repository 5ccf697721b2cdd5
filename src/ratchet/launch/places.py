"""The places that ``ratchet`` launches to, by name, and one launch from its command line to its exit status."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ratchet.errors import UserError
from ratchet.launch.hf_jobs import HubJobs
from ratchet.launch.lambda_cloud.place import LambdaCloud
from ratchet.launch.local import Local
from ratchet.launch.place import Place
from ratchet.launch.request import LaunchRequest, dotenv, masked
from ratchet.launch.sky.place import Sky
from ratchet.launch.slurm.place import Slurm

__all__ = ["FLAGS", "OPTIONS", "PLACES", "LaunchRequest", "run"]

PLACES: Mapping[str, Place[Any]] = {place.name: place for place in (Local(), Slurm(), LambdaCloud(), Sky(), HubJobs())}
COMMON = ("on", "dry_run", "config_file", "num_processes", "nodes", "resume", "resume_anyway", "help")
FLAGS = frozenset({"dry_run", "help", "resume_anyway"}).union(*(place.flags for place in PLACES.values()))
OPTIONS = tuple(dict.fromkeys([*COMMON, *(name for place in PLACES.values() for name in place.takes)]))


def run(request: LaunchRequest) -> int:
    """Launch; the exit status.

    Raises:
        UserError: for everything that can be known to be wrong before anything is started.
    """
    place = _place(request)
    environ = dotenv(Path.cwd(), os.environ)
    managed = place.manage(request, environ)
    if managed is not None:
        return managed
    if request.recipe is None:
        raise UserError("name a recipe: ratchet launch RECIPE.yaml --on PLACE")
    options = place.read(request, environ)
    launch = place.launch(request, options, environ)
    place.check(launch, options, environ)
    if request.dry_run:
        print(masked(place.render(launch, options, environ), environ))
        return 0
    return place.start(launch, options, environ)


def _place(request: LaunchRequest) -> Place[Any]:
    """The place that was named, if it takes every option that was given."""
    name = request.text("on")
    if name not in PLACES:
        given = f"; it is {name}" if name else ""
        raise UserError(f"--on names the place: {', '.join(PLACES)}{given}")
    place = PLACES[name]
    for option in request.options:
        if option not in COMMON and option not in place.takes:
            homes = [other.name for other in PLACES.values() if option in other.takes]
            raise UserError(f"--{option.replace('_', '-')} is for --on {_listed(homes)}, not for {name}")
    return place


def _listed(names: Sequence[str]) -> str:
    """
    >>> _listed(["lambda"]), _listed(["local", "lambda", "hf-jobs"])
    ('lambda', 'local, lambda and hf-jobs')
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
