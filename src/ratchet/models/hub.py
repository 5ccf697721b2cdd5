"""A model on the Hub becomes a folder in its client's cache: asked for once, at one revision, before anything else.

From then on it is a folder like any other: its headers are checked, an adapter is found, and model, reference, sampler
and tokenizer are of one revision.
"""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo, RepoSibling

PATIENCE = 10
"""Seconds that the Hub has for its first answer."""
ABOUT = (".json", ".jinja", ".txt", ".model", ".py", ".yaml")
"""How the files end that describe a model, its tokenizer and its run."""
CONFIGURATIONS = ("config.json", "adapter_config.json")
SAFE, PICKLED = (".safetensors",), (".bin",)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FOREIGN = ("consolidated", "original", "training_args", "optimizer", "scheduler", "rng_state", "openvino", "onnx")
"""What names begin with that hold the same weights in another form, or no weights."""


@cache
def fetched(name: str, revision: str | None = None, weights: bool = True) -> str:
    """The folder that holds a model of the Hub.

    Args:
        name: "owner/model".
        revision: a branch, a tag or a commit; None: main.
        weights: whether the weights are wanted, and not its configuration and tokenizer alone.

    Raises:
        UserError: for one that is not there, may not be read, or cannot be reached and was never fetched.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import HFValidationError, validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        raise UserError(
            f"model_name_or_path: there is no folder {name}, and no model of the Hub has such a name"
        ) from None
    if constants.HF_HUB_OFFLINE:
        return _cached(name, revision, weights, "HF_HUB_OFFLINE is set")
    try:
        info = HfApi().model_info(name, revision=revision, files_metadata=True, timeout=PATIENCE)
        return _download(info, name, revision, weights)
    except UserError:
        raise
    except RevisionNotFoundError:
        raise UserError(f"model_revision: {name} has no revision {revision}{_others(name)}") from None
    except GatedRepoError:
        raise UserError(
            f"model_name_or_path: {name} is gated: accept its terms on {constants.ENDPOINT}/{name} with the account "
            "of your token (HF_TOKEN, or `hf auth login`)"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"model_name_or_path: there is no folder {name}, and no such model on the Hub"
            f"{_nearest(name)}; a private one needs a token that may read it (HF_TOKEN, or `hf auth login`)"
        ) from None
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise UserError(
                f"model_name_or_path: the Hub does not let this token read {name} (HF_TOKEN, or that of "
                f"`hf auth login`): {' '.join(str(error).split())[:200]}"
            ) from None
        return _cached(name, revision, weights, f"the Hub answers {error.response.status_code}")
    except Exception as error:  # the client's connection fails with httpx' errors, its own, and OSErrors
        if getattr(error, "errno", None) in FULL:
            raise
        return _cached(name, revision, weights, f"the Hub cannot be reached ({type(error).__name__})")


def _download(info: "ModelInfo", name: str, revision: str | None, weights: bool) -> str:
    from huggingface_hub import snapshot_download, try_to_load_from_cache
    from huggingface_hub.utils import disable_progress_bars

    files = list(_wanted(info.siblings or (), weights))
    if not set(CONFIGURATIONS) & {file.rfilename for file in files}:
        raise UserError(f"model_name_or_path: {name} on the Hub has no config.json: no model for transformers")
    there = [isinstance(try_to_load_from_cache(name, f.rfilename, revision=info.sha), str) for f in files]
    missing = sum(file.size or 0 for file, is_here in zip(files, there, strict=True) if not is_here)
    main = os.environ.get("LOCAL_RANK", "0") == "0"
    if missing > 100_000_000 and main:
        print(f"fetching {name} from the Hub ({missing / 1e9:.1f} GB)", file=sys.stderr, flush=True)
    if not sys.stderr.isatty():
        disable_progress_bars()
    return snapshot_download(name, revision=revision, allow_patterns=[file.rfilename for file in files])


def _wanted(files: Sequence["RepoSibling"], weights: bool) -> Iterator["RepoSibling"]:
    """What a model is loaded from: its descriptions, and safetensors, or pickles where there are none."""
    own = [file for file in files if "/" not in file.rfilename and not file.rfilename.startswith(FOREIGN)]
    form = SAFE if any(file.rfilename.endswith(SAFE) for file in own) else PICKLED
    yield from (file for file in own if file.rfilename.endswith(ABOUT + form if weights else ABOUT))
    yield from (file for file in files if file.rfilename.startswith("additional_chat_templates/"))


def _cached(name: str, revision: str | None, weights: bool, reason: str) -> str:
    """The folder of a model that was fetched before."""
    from huggingface_hub import try_to_load_from_cache

    for file in CONFIGURATIONS:
        found = try_to_load_from_cache(name, file, revision=revision)
        if isinstance(found, str) and (
            not weights or any(path.suffix in SAFE + PICKLED for path in Path(found).parent.iterdir())
        ):
            return str(Path(found).parent)
    raise UserError(
        f"model_name_or_path: there is no folder {name}; as a model of the Hub it cannot be had, since {reason}, and "
        "it was not fetched before. Check the name and your network"
    )


def _nearest(name: str) -> str:
    """A hint at the models of the same owner whose names are like this one."""
    from huggingface_hub import HfApi

    owner = name.partition("/")[0]
    try:
        known = [model.id for model in HfApi().list_models(author=owner, limit=500)] if "/" in name else []
    except Exception:  # a hint is not worth an error
        return ""
    near = get_close_matches(name, known, n=3, cutoff=0.8)
    return f"; did you mean {', '.join(near)}?" if near else ""


def _others(name: str) -> str:
    from huggingface_hub import HfApi

    try:
        refs = HfApi().list_repo_refs(name)
    except Exception:
        return ""
    names = [ref.name for ref in [*refs.branches, *refs.tags]]
    return f"; there are {', '.join(names[:12])}{' and others' if len(names) > 12 else ''}" if names else ""
