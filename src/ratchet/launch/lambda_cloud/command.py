"""``--on lambda``: what would be done, what can be had, what is running, and its end."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from ratchet.errors import UserError
from ratchet.launch.lambda_cloud import files
from ratchet.launch.lambda_cloud.api import GONE, URL, Lambda
from ratchet.launch.lambda_cloud.finding import PREFIX, Finder, Options, clock, deadline_of
from ratchet.launch.lambda_cloud.session import folder_of, state_file
from ratchet.launch.request import Launch
from ratchet.launch.sent import CODE, HOME, PASSED_ON, carried, run_script, secrets_file, sent_recipe, tracked


def dry_run(launch: Launch, options: Options, api: Lambda | None, environ: Mapping[str, str]) -> str:
    """Every request, file and command, in order. Asks the API only what there is; without one, that stays open."""
    finder = Finder(launch, options, api, state_file(folder_of(launch)))
    heading, kind, region, key = _chosen(finder, options, api)
    url = api.url if api else URL
    sent = [*tracked(launch.root), *carried(launch)]
    secrets = ", ".join(name for name in PASSED_ON if environ.get(name)) or "nothing"
    keys, variables = files.keys_file(launch.name), secrets_file(launch.name)
    placement, output = launch.placement, launch.recipe.output_dir
    lines = [
        heading,
        f"POST {url}/api/v1/instance-operations/launch",
        json.dumps(finder.request(kind, region, key, time.time() + 3600 * options.max_hours), indent=2),
        f"# over ssh, into memory: LAMBDA_API_KEY and INSTANCE_ID to {keys}, {secrets} to {variables}",
        f"# over ssh: {len(sent)} files to {CODE}, accelerate.yaml ({placement.file}), and recipe.yaml:",
        sent_recipe(launch).rstrip(),
        f"# over ssh: {HOME}/run.sh:",
        run_script(launch, files.outputs_of(options.file_system)).rstrip(),
        f"# then run.log is followed, and {output} fetched every {options.sync_minutes:g} minutes and at the end",
        f"POST {url}/api/v1/instance-operations/terminate",
        json.dumps({"instance_ids": ["<the one that was launched>"]}),
    ]
    return "\n".join(lines)


def _chosen(finder: Finder, options: Options, api: Lambda | None) -> tuple[str, str, str, str]:
    """What is said of the cost, and the type, region and key that a launch would take."""
    if api is None:
        most = options.max_price * options.max_hours
        return (
            f"# at most {most:.2f} USD (no LAMBDA_API_KEY: prices and capacity are not known)",
            options.instance_type or "<the cheapest that fits>",
            options.region or "<one with capacity>",
            options.ssh_key or "<the account's one key>",
        )
    kind, region, price = finder.choose()
    most = price * options.max_hours
    heading = f"# {kind} in {region}: {price:.2f} USD an hour, {most:.2f} USD at the most"
    return heading, kind, region, finder.key()


def listing(api: Lambda) -> str:
    """Instance types with GPUs, price and where there is one now."""
    lines = [f"{'type':<28} {'GPUs':>4} {'USD/h':>7}  regions with capacity"]
    entries = sorted(api.types().items(), key=lambda item: item[1]["instance_type"]["price_cents_per_hour"])
    for name, entry in entries:
        kind = entry["instance_type"]
        regions = ", ".join(region["name"] for region in entry["regions_with_capacity_available"]) or "none"
        lines.append(f"{name:<28} {kind['specs']['gpus']:>4} {kind['price_cents_per_hour'] / 100:>7.2f}  {regions}")
    return "\n".join(lines)


def _ours(api: Lambda) -> list[dict[str, Any]]:
    return [one for one in api.instances() if str(one.get("name", "")).startswith(PREFIX)]


def status(api: Lambda) -> str:
    """Ratchet's instances, with deadline and what they have cost at the most."""
    mine = _ours(api)
    if not mine:
        return "no instance of Ratchet is there"
    lines = []
    for one in mine:
        deadline = deadline_of(one)
        until = f", until {clock(deadline)}" if deadline else ""
        price = one["instance_type"]["price_cents_per_hour"] / 100
        kind = f"{one['instance_type']['name']} at {price:.2f} USD/h{until}"
        lines.append(f"{one['name']}  {one['id']}  {one['status']}  {kind}  {one.get('ip', '')}".rstrip())
    return "\n".join(lines)


def stop(api: Lambda, wanted: str, pause: float, say: Callable[[str], None] = print) -> int:
    """End the instances of a run's name, or one by its id; the exit status."""
    mine = [one for one in _ours(api) if one["status"] not in GONE]
    chosen = [one for one in mine if wanted in (one["id"], one["name"], one["name"].removeprefix(PREFIX))]
    if not chosen:
        names = ", ".join(one["name"] for one in mine) or "none of Ratchet"
        raise UserError(f"--stop: there is no instance {wanted}; there are {names}")
    for one in chosen:
        api.terminate(one["id"])
        until = time.monotonic() + 120
        while (now := api.instance(one["id"])) is not None and now["status"] not in GONE:
            if time.monotonic() > until:
                raise UserError(f"{one['id']} is still {now['status']}; look into Lambda's console")
            time.sleep(pause)
        say(f"{one['name']} ({one['id']}) is ended")
    return 0
