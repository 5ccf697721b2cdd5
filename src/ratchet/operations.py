"""The commands around a run: what it needs, whether the machine is ready, where it runs, and how it goes."""

import json
import sys
from pathlib import Path
from typing import Any

from ratchet.commands import _need_values, _number, _path, split_arguments
from ratchet.errors import UserError, command

PLANNING = (
    "config_file",
    "gpu",
    "nodes",
    "num_processes",
    "prompt_tokens",
    "completion_tokens",
    "row_tokens",
    "shape_of",
    "measured",
    "devices",
    "price",
)


@command
def plan() -> int:
    """Usage: plan.py RECIPE.yaml [--config_file ACCELERATE.yaml] [--gpu h100|h200|a100-80|a100-40|a10|l4|rtx4090|cpu] [--nodes N]
    [--num_processes N] [--prompt_tokens N] [--completion_tokens N] [--row_tokens N] [--shape_of MODEL] [--measured RUN_DIR]
    [--devices FILE.yaml] [--price USD_PER_GPU_HOUR] [--json FILE|-] [--key value ...]

    What a run needs, before it costs: memory of each GPU and whether it fits, steps and tokens, time, energy and money as a range, disk,
    and what looks wrong. No GPU, no PyTorch, no weights. Without --config_file that of the recipe's header is taken. --measured takes
    the efficiency of an earlier run in the place of assumed ones; --devices lays your own figures over the table of devices
    (h100: {price: 2.49}). The exit code is 1 where it does not fit, or would not start."""
    path, overrides, options = split_arguments(sys.argv[1:], ("help", "json", *PLANNING))
    if "help" in options or path is None:
        print(plan.__doc__)
        if path is None and "help" not in options:
            raise UserError("name a recipe")
        return 0
    from ratchet.files import write_json
    from ratchet.plan.command import as_dict
    from ratchet.plan.command import plan as make
    from ratchet.plan.page import page

    _need_values(options, PLANNING)
    found = make(path, overrides, planning(options))
    if options.get("json") in ("-", "true"):
        print(json.dumps(as_dict(found), indent=2))
    else:
        print(page(found))
        if "json" in options:
            write_json(Path(options["json"]), as_dict(found))
    return int(bool(found.errors) or not found.fits)


def planning(options: dict[str, str]) -> Any:
    """``plan.command.Options`` from a command line's."""
    from ratchet.plan.command import Options

    whole = {
        name: int(_number(options, name, 1, least=1)) for name in PLANNING if name in options and name.endswith(("nodes", "processes", "tokens"))
    }
    return Options(
        config_file=options.get("config_file"),
        gpu=options.get("gpu"),
        nodes=whole.get("nodes"),
        processes=whole.get("num_processes"),
        prompt_tokens=whole.get("prompt_tokens"),
        completion_tokens=whole.get("completion_tokens"),
        row_tokens=whole.get("row_tokens"),
        shape_of=options.get("shape_of"),
        measured=_path(options, "measured"),
        devices=_path(options, "devices"),
        price=_number(options, "price", 0.0) if "price" in options else None,
    )
