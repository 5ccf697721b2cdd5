"""``--on lambda``: what would be done, what can be had, what is running, and its end."""

import json
import time
from collections.abc import Callable, Mapping

from ratchet.errors import UserError
from ratchet.launch.lambda_cloud import files
from ratchet.launch.lambda_cloud.api import GONE, URL, Lambda
from ratchet.launch.lambda_cloud.finding import PREFIX, Finder, Options, clock, deadline_of
from ratchet.launch.lambda_cloud.session import PASSED_ON, carried, folder_of
from ratchet.launch.request import Launch


def dry_run(launch: Launch, options: Options, api: Lambda | None, environ: Mapping[str, str]) -> str:
    """Every request, file and command, in order. Asks the API only what there is; without a key (``api`` None) what is asked stays open."""
    finder = Finder(launch, options, api, folder_of(launch) / "state.json")
    most = options.max_price * options.max_hours
    if api is None:
        kind, region = options.instance_type or "<the cheapest that fits>", options.region or "<one with capacity>"
        key, heading = (
            options.ssh_key or "<the account's one key>",
            f"# at most {most:.2f} USD (no LAMBDA_API_KEY: prices and capacity are not known)",
        )
    else:
        kind, region, price = finder.choose()
        key, heading = (
            finder.key(),
            f"# {kind} in {region}: {price:.2f} USD an hour, {price * options.max_hours:.2f} USD at the most",
        )
    url = api.url if api else URL
    sent = [*files.tracked(launch.root), *carried(launch)]
    secrets = [name for name in PASSED_ON if environ.get(name)]
    name = launch.name
    return "\n".join(
        [
            heading,
            f"POST {url}/api/v1/instance-operations/launch",
            json.dumps(finder.request(kind, region, key, time.time() + 3600 * options.max_hours), indent=2),
            f"# over ssh, into memory: LAMBDA_API_KEY and INSTANCE_ID to {files.keys_file(name)}, {', '.join(secrets) or 'nothing'} to {files.secrets_file(name)}",
            f"# over ssh: {len(sent)} files to {files.CODE}, accelerate.yaml ({launch.placement.file}), and recipe.yaml:",
            launch.recipe.as_yaml().rstrip(),
            f"# over ssh: {files.HOME}/run.sh:",
            files.run_script(launch, files.outputs_of(options.file_system)).rstrip(),
            f"# then run.log is followed, and {launch.recipe.output_dir} fetched every {options.sync_minutes:g} minutes and at the end",
            f"POST {url}/api/v1/instance-operations/terminate",
            json.dumps({"instance_ids": ["<the one that was launched>"]}),
        ]
    )


def listing(api: Lambda) -> str:
    """Instance types with GPUs, price and where there is one now."""
    lines = [f"{'type':<28} {'GPUs':>4} {'USD/h':>7}  regions with capacity"]
    entries = sorted(api.types().items(), key=lambda item: item[1]["instance_type"]["price_cents_per_hour"])
    for name, entry in entries:
        kind = entry["instance_type"]
        regions = ", ".join(region["name"] for region in entry["regions_with_capacity_available"]) or "none"
        lines.append(f"{name:<28} {kind['specs']['gpus']:>4} {kind['price_cents_per_hour'] / 100:>7.2f}  {regions}")
    return "\n".join(lines)


def status(api: Lambda) -> str:
    """Ratchet's instances, with deadline and what they have cost at the most."""
    mine = [one for one in api.instances() if str(one.get("name", "")).startswith(PREFIX)]
    if not mine:
        return "no instance of Ratchet is there"
    lines = []
    for one in mine:
        deadline = deadline_of(one)
        until = f", until {clock(deadline)}" if deadline else ""
        price = one["instance_type"]["price_cents_per_hour"] / 100
        lines.append(
            f"{one['name']}  {one['id']}  {one['status']}  {one['instance_type']['name']} at {price:.2f} USD/h{until}  {one.get('ip', '')}".rstrip()
        )
    return "\n".join(lines)


def stop(api: Lambda, wanted: str, pause: float, say: Callable[[str], None] = print) -> int:
    """End the instances of a run's name, or one by its id; the exit status."""
    mine = [
        one for one in api.instances() if str(one.get("name", "")).startswith(PREFIX) and one["status"] not in GONE
    ]
    chosen = [one for one in mine if wanted in (one["id"], one["name"], one["name"].removeprefix(PREFIX))]
    if not chosen:
        raise UserError(
            f"--stop: there is no instance {wanted}; there are {', '.join(one['name'] for one in mine) or 'none of Ratchet'}"
        )
    for one in chosen:
        api.terminate(one["id"])
        until = time.monotonic() + 120
        while (now := api.instance(one["id"])) is not None and now["status"] not in GONE:
            if time.monotonic() > until:
                raise UserError(f"{one['id']} is still {now['status']}; look into Lambda's console")
            time.sleep(pause)
        say(f"{one['name']} ({one['id']}) is ended")
    return 0
