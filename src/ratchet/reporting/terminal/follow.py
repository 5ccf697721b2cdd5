"""``ratchet watch``: draw again and again, once, or a line for each step."""

import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from ratchet.errors import UserError
from ratchet.files import in_use
from ratchet.record.run_data import load
from ratchet.reporting.terminal.figures import Disk, line, look
from ratchet.reporting.terminal.screen import page


def watch(folder: Path, every: float, log: Path | None, lines: int, once: bool) -> None:
    """Draw until the run has ended, or Ctrl-C; a single time with ``once``, or where nobody looks (no terminal)."""
    console, disk = Console(), Disk(folder)
    if once or not console.is_terminal:
        console.print(page(look(folder, disk, log, lines)))
        return
    with Live(page(look(folder, disk, log, lines)), console=console, auto_refresh=False, screen=False) as live:
        while True:
            view = look(folder, disk, log, lines)
            live.update(page(view), refresh=True)
            if view.status != "running":
                return
            time.sleep(every)


def follow(folder: Path, every: float, wait: float) -> None:
    """Print one line for each logged step, those that are there first, until the run has ended.

    Args:
        wait: seconds in which a run may start.

    Raises:
        UserError: where none starts.
    """
    shown, until = 0, time.monotonic() + wait
    while True:
        running = in_use(folder)  # asked first: what is read after the end is whole
        try:
            run = load(folder)
        except UserError:
            if time.monotonic() > until:
                raise
            time.sleep(min(every, 1.0))
            continue
        entries = [entry for entry in run.log if "loss" in entry or "eval/accuracy" in entry]
        for entry in entries[shown:]:
            print(line(entry), flush=True)
        shown = len(entries)
        if not running:
            return
        time.sleep(every)
