"""What the machines are: memory, bandwidth, peak operations, watts, and what an hour of one costs."""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import yaml

from ratchet.errors import UserError


@dataclass(frozen=True)
class Device:
    """One GPU, or the CPU of one process."""

    name: str
    memory_gib: float
    """Memory that PyTorch can use."""
    bandwidth: float
    """GB/s between it and its memory."""
    tflops: float
    """Dense bfloat16 operations, 10^12 a second, as its maker states them."""
    watts: float
    """At full load, with its share of the machine."""
    price: float
    """USD an hour: a rough figure of 2026 for machines rented by the hour, to be overridden with what you pay."""


DEVICES = {
    device.name: device
    for device in (
        Device("h100", 79.1, 3350, 989, 900, 2.99),
        Device("h200", 139.8, 4800, 989, 900, 3.80),
        Device("a100-80", 79.2, 2039, 312, 550, 1.79),
        Device("a100-40", 39.4, 1555, 312, 550, 1.29),
        Device("a10", 22.0, 600, 125, 220, 0.75),
        Device("l4", 22.0, 300, 121, 110, 0.80),
        Device("rtx4090", 23.5, 1008, 165, 520, 0.40),
        Device("cpu", 16.0, 20, 0.2, 40, 0.0),
    )
}


def device(name: str, table: Path | None = None, price: float | None = None) -> Device:
    """A device by name, with what a file of the user's says about it laid over the table.

    Args:
        table: YAML, device name -> any of ``Device``'s fields; a new name needs all of them.

    Raises:
        UserError: for an unknown device or field, or a value that is no positive number.
    """
    known = dict(DEVICES)
    if table is not None:
        known |= _overlaid(table)
    if name not in known:
        raise UserError(
            f"--gpu: there is no {name}; choose from {', '.join(known)}, or describe it in a file for --devices"
        )
    return known[name] if price is None else replace(known[name], price=price)


def _overlaid(path: Path) -> dict[str, Device]:
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"--devices: {path} cannot be read: {' '.join(str(error).split())}") from None
    names = [field.name for field in fields(Device) if field.name != "name"]
    if not isinstance(given, dict) or not all(isinstance(entry, dict) for entry in given.values()):
        raise UserError(
            f"--devices: {path} is a mapping: device -> {{{', '.join(names)}}}, as in h100: {{price: 2.49}}"
        )
    found = {}
    for name, entry in given.items():
        for key, value in entry.items():
            if key not in names:
                raise UserError(f"--devices: {path}: {name} has no {key}; there are {', '.join(names)}")
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            # What is owned may cost nothing; nothing else can be 0.
            if not number or value < 0 or (value == 0 and key != "price"):
                raise UserError(f"--devices: {path}: {name}.{key} is a number above 0; it is {value}")
        missing = [key for key in names if key not in entry]
        if name not in DEVICES and missing:
            raise UserError(f"--devices: {path}: {name} is new and needs {', '.join(missing)} too")
        found[str(name)] = replace(DEVICES[name], **entry) if name in DEVICES else Device(str(name), **entry)
    return found
