"""What an export writes: rl.toml, rewards.py, a README with the commands and with what was lost, and the older three files on request."""

import json
from pathlib import Path
from typing import Any

import tomli_w

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.integrations.prime_rl.export import ENVIRONMENTS, GPUS, VERSION, Export, export, plain, split
from ratchet.launch.request import Launch

# The schema shows the base classes of these; at run time the environment package's own take their place, with more fields.
OPEN = ("EnvConfig", "TasksetConfig", "TaskConfig")


def write(launch: Launch, folder: Path, older: bool, schema: Path | None) -> list[str]:
    """Write everything into a folder; what to tell the user.

    Raises:
        UserError: for a recipe that cannot be carried over, a folder that is not empty, or a result that the schema refuses.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not empty; name another, or take it away first")
    found = export(launch.recipe, folder, launch.placement.processes)
    if schema is not None and (wrong := findings(found.toml, schema)):
        raise UserError("\n".join([f"{schema} refuses the export:", *wrong]))
    head = f"# From {launch.recipe.path}, for prime-rl with prime-rl-configs {VERSION}: uv run rl @ rl.toml\n\n"
    texts = {"rl.toml": head + tomli_w.dumps(found.toml), "README.md": readme(launch, found, folder)}
    for gpus in GPUS:
        texts[f"gpus-{gpus}.toml"] = f"# Laid over rl.toml on a machine of {gpus} GPUs.\n\n" + tomli_w.dumps(
            split(launch.recipe, gpus)
        )
    texts["resume.toml"] = "# Laid over rl.toml, it lets a stopped run go on from its newest checkpoint.\n\n[resume]\n"
    texts |= {"rewards.py": found.rewards} if found.rewards else {}
    texts |= {f"older/{name}": text for name, text in _older(found).items()} if older else {}
    for name, text in texts.items():
        write_text(folder / name, text)
    return [
        f"written to {folder}: {', '.join(texts)}",
        *(f"not carried over: {key}: {what}" for key, what in found.lost),
    ]


def findings(toml: dict[str, Any], schema: Path) -> list[str]:
    """What a JSON schema of prime-rl's says against a document, a line each."""
    import jsonschema

    try:
        known = json.loads(schema.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--schema: {schema} cannot be read as JSON: {error}") from None
    for name in OPEN:
        known.get("$defs", {}).get(name, {})["additionalProperties"] = True
    return [
        f"{'.'.join(map(str, e.absolute_path))}: {e.message[:200]}"
        for e in map(_deepest, jsonschema.Draft202012Validator(known).iter_errors(plain(toml)))
    ]


def _deepest(error: Any) -> Any:
    """Of an error in one branch of a union, the one that says most."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def readme(launch: Launch, found: Export, folder: Path) -> str:
    """The commands, and what could not be carried over."""
    environment = ENVIRONMENTS[launch.recipe.task.name]
    package, place = launch.root / "environments" / launch.recipe.task.name, folder.resolve()
    lines = [
        f"# {launch.recipe.path} for prime-rl",
        "",
        f"Written for prime-rl-configs {VERSION}, against whose schema it is checked; prime-rl itself has not been run with it. In prime-rl's",
        f"folder, once: `uv pip install {package}` ({environment}). Then there:",
        "",
        "| GPUs | inference | training | command |",
        "|---|---|---|---|",
        *(
            f"| {gpus} | {infer} | {train} | `uv run rl @ {place}/rl.toml @ {place}/gpus-{gpus}.toml` |"
            for gpus, (infer, train) in GPUS.items()
        ),
        "",
        f"A stopped run goes on from its newest checkpoint with a further `@ {place}/resume.toml`. Checkpoints are made every `ckpt.interval`",
        f"steps ({found.toml.get('ckpt', {}).get('interval', 'never')}), and the last `ckpt.keep_last` stay. `orchestrator.max_off_policy_steps` says how many steps older than the",
        "trainer's weights a rollout may be: prime-rl's default is 8, and 1 is the nearest to TRL's own.",
        "",
        "## What could not be carried over, or means something else there",
        "",
        "| key | what became of it |",
        "|---|---|",
        *(f"| `{key}` | {what} |" for key, what in found.lost),
        "",
    ]
    return "\n".join(lines)


def _older(found: Export) -> dict[str, str]:
    """The three files of versions before rl.toml, as the Dakota project documents them. Marked: nothing checks them today."""
    toml, mark = (
        found.toml,
        "# For prime-rl BEFORE rl.toml (trainer @ train.toml, orchestrator @ orch.toml, inference @ infer.toml); not for today's.\n\n",
    )
    train, orchestrator, vllm = toml["trainer"], toml["orchestrator"], toml["inference"]["vllm"]
    taskset = dict(orchestrator["train"]["source"][0]["env"]["taskset"])
    identity = taskset.pop("id")
    arguments = {key: value for key, value in taskset.items() if not isinstance(value, dict)}
    files = {
        "train.toml": {
            "max_steps": toml["max_steps"],
            "model": {"name": toml["model"]["name"]},
            "optim": {
                "type": "adamw",
                "lr": train["optim"]["lr"],
                "weight_decay": train["optim"]["weight_decay"],
                "max_norm": train["optim"]["max_norm"],
            },
            **(
                {"ckpt": {"interval": toml["ckpt"]["interval"], "keep": toml["ckpt"].get("keep_last", 3)}}
                if "ckpt" in toml
                else {}
            ),
        },
        "orch.toml": {
            "max_steps": toml["max_steps"],
            "batch_size": orchestrator["batch_size"],
            "rollouts_per_example": orchestrator["group_size"],
            "seq_len": toml["seq_len"],
            "model": {"name": toml["model"]["name"]},
            "sampling": {
                "max_tokens": orchestrator["train"]["sampling"]["max_completion_tokens"],
                "temperature": orchestrator["train"]["sampling"]["temperature"],
            },
            "env": [{"id": identity, "args": arguments}],
        },
        "infer.toml": {
            "model": {"name": toml["model"]["name"], "max_model_len": vllm["max_model_len"]},
            "parallel": {"dp": vllm["data_parallel_size"], "tp": vllm["tensor_parallel_size"]},
        },
    }
    return {name: mark + tomli_w.dumps(body) for name, body in files.items()}
