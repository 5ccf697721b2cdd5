"""How this program is called where it runs, for messages that are to be typed as they stand."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "ratchet"


def typed(*words: str) -> str:
    """``ratchet VERB ...`` as it can be typed here; words with spaces are quoted."""
    return f"{program()} {shlex.join(words)}"


def program() -> str:
    """The shortest name that reaches this environment: ratchet, .venv/bin/ratchet, or python -m ratchet."""
    environment = Path(sys.executable).parent
    beside = environment / NAME
    on_path = shutil.which(NAME)
    if on_path is not None and Path(on_path) == beside:
        return NAME
    if environment.is_relative_to(Path.cwd()):
        below = environment.relative_to(Path.cwd())
        return (
            shlex.quote(str(below / NAME)) if beside.is_file() else f"{shlex.quote(str(below / 'python'))} -m {NAME}"
        )
    return f"python -m {NAME}"
