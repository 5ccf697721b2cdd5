"""What an export writes: rl.toml, rewards.py, a README of commands and losses, and the older three files if wanted."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from ratchet.errors import UserError
from ratchet.files import write_text
from ratchet.integrations.prime_rl.export import GPUS, VERSION, Export, export, plain, split
from ratchet.integrations.prime_rl.refusals import ENVIRONMENTS
from ratchet.launch.request import Launch

if TYPE_CHECKING:
    from jsonschema import ValidationError  # an extra: needed only where a schema is given

# The schema shows the base classes of these; at run time the environment package's own replace them, with more fields.
OPEN = ("EnvConfig", "TasksetConfig", "TaskConfig")


def write(launch: Launch, folder: Path, older: bool, schema: Path | None) -> list[str]:
    """Write everything into a folder; what to tell the user.

    Raises:
        UserError: for a recipe that cannot be carried over, a folder that is not empty, or what the schema refuses.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not empty; name another, or take it away first")
    result = export(launch.recipe, folder, launch.placement.processes)
    if schema is not None and (wrong := findings(result.toml, schema)):
        raise UserError("\n".join([f"{schema} refuses the export:", *wrong]))
    texts = _texts(launch, result, folder)
    if older:
        texts |= {f"older/{name}": text for name, text in _older(result).items()}
    for name, text in texts.items():
        write_text(folder / name, text)
    lost = [f"not carried over: {key}: {what}" for key, what in result.lost]
    return [f"written to {folder}: {', '.join(texts)}", *lost]


def _texts(launch: Launch, result: Export, folder: Path) -> dict[str, str]:
    head = f"# From {launch.recipe.path}, for prime-rl with prime-rl-configs {VERSION}: uv run rl @ rl.toml\n\n"
    texts = {"rl.toml": head + tomli_w.dumps(result.toml), "README.md": readme(launch, result, folder)}
    for gpus in GPUS:
        overlay = tomli_w.dumps(split(launch.recipe, gpus))
        texts[f"gpus-{gpus}.toml"] = f"# Laid over rl.toml on a machine of {gpus} GPUs.\n\n{overlay}"
    texts["resume.toml"] = (
        "# Laid over rl.toml, it lets a stopped run resume from its newest checkpoint.\n\n[resume]\n"
    )
    if result.rewards:
        texts["rewards.py"] = result.rewards
    return texts


def findings(toml: dict[str, Any], schema: Path) -> list[str]:
    """What a JSON schema of prime-rl's says against a document, a line each."""
    import jsonschema

    try:
        known = json.loads(schema.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"--schema: {schema} cannot be read as JSON: {error}") from None
    for name in OPEN:
        known.get("$defs", {}).get(name, {})["additionalProperties"] = True
    errors = jsonschema.Draft202012Validator(known).iter_errors(plain(toml))
    return [_sentence(_deepest(error)) for error in errors]


def _sentence(error: "ValidationError") -> str:
    return f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"


def _deepest(error: "ValidationError") -> "ValidationError":
    """The error in one branch of a union that says most."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return error


def readme(launch: Launch, result: Export, folder: Path) -> str:
    """The commands, and what could not be carried over."""
    environment, place = ENVIRONMENTS[launch.recipe.task.name], folder.resolve()
    package = launch.root / "environments" / launch.recipe.task.name
    interval = result.toml.get("ckpt", {}).get("interval", "never")
    lines = [
        f"# {launch.recipe.path} for prime-rl",
        "",
        f"Written for prime-rl-configs {VERSION}, against whose schema it is checked; "
        "prime-rl itself has not been run with it. In prime-rl's",
        f"folder, once: `uv pip install {package}` ({environment}). Then there:",
        "",
        "| GPUs | inference | training | command |",
        "|---|---|---|---|",
    ]
    for gpus, (infer, train) in GPUS.items():
        command = f"uv run rl @ {place}/rl.toml @ {place}/gpus-{gpus}.toml"
        lines.append(f"| {gpus} | {infer} | {train} | `{command}` |")
    lines += [
        "",
        f"A stopped run resumes from its newest checkpoint with a further `@ {place}/resume.toml`. "
        "Checkpoints are made every `ckpt.interval`",
        f"steps ({interval}), and the last `ckpt.keep_last` stay. `orchestrator.max_off_policy_steps` says how many "
        "steps older than the",
        "trainer's weights a rollout may be: prime-rl's default is 8, and 1 is the nearest to TRL's own.",
        "",
        "## What could not be carried over, or means something else there",
        "",
        "| key | what became of it |",
        "|---|---|",
    ]
    lines += [f"| `{key}` | {what} |" for key, what in result.lost]
    return "\n".join([*lines, ""])


def _older(result: Export) -> dict[str, str]:
    """The three files of versions before rl.toml, as the Dakota project documents them; nothing checks them today."""
    mark = (
        "# For prime-rl BEFORE rl.toml (trainer @ train.toml, orchestrator @ orch.toml, inference @ infer.toml); "
        "not for today's.\n\n"
    )
    toml = result.toml
    files = {
        "train.toml": _older_trainer(toml),
        "orch.toml": _older_orchestrator(toml),
        "infer.toml": _older_vllm(toml),
    }
    return {name: mark + tomli_w.dumps(body) for name, body in files.items()}


def _older_trainer(toml: dict[str, Any]) -> dict[str, Any]:
    optim = toml["trainer"]["optim"]
    body = {
        "max_steps": toml["max_steps"],
        "model": {"name": toml["model"]["name"]},
        "optim": {name: optim[name] for name in ("type", "lr", "weight_decay", "max_norm")},
    }
    if "ckpt" in toml:
        body["ckpt"] = {"interval": toml["ckpt"]["interval"], "keep": toml["ckpt"].get("keep_last", 3)}
    return body


def _older_orchestrator(toml: dict[str, Any]) -> dict[str, Any]:
    orchestrator = toml["orchestrator"]
    sampling = orchestrator["train"]["sampling"]
    taskset = dict(orchestrator["train"]["source"][0]["env"]["taskset"])
    identity = taskset.pop("id")
    arguments = {key: value for key, value in taskset.items() if not isinstance(value, dict)}
    return {
        "max_steps": toml["max_steps"],
        "batch_size": orchestrator["batch_size"],
        "rollouts_per_example": orchestrator["group_size"],
        "seq_len": toml["seq_len"],
        "model": {"name": toml["model"]["name"]},
        "sampling": {"max_tokens": sampling["max_completion_tokens"], "temperature": sampling["temperature"]},
        "env": [{"id": identity, "args": arguments}],
    }


def _older_vllm(toml: dict[str, Any]) -> dict[str, Any]:
    vllm = toml["inference"]["vllm"]
    return {
        "model": {"name": toml["model"]["name"], "max_model_len": vllm["max_model_len"]},
        "parallel": {"dp": vllm["data_parallel_size"], "tp": vllm["tensor_parallel_size"]},
    }
