"""Weights for a vLLM server on a CPU, through the folder that it serves (``models.served_copy``)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from ratchet.models import served_copy
from ratchet.recipe import Recipe

WEIGHTS = "model.safetensors"


@contextmanager
def weights_through_files(recipe: Recipe) -> Iterator[None]:
    """On a CPU, TRL's client that is made in the block gives weights to its server through files."""
    if not (recipe.served and recipe.get("use_cpu")):
        yield
        return
    from trl.generation.vllm_client import VLLMClient

    with_nccl = VLLMClient.init_communicator
    VLLMClient.init_communicator = _join
    try:
        yield
    finally:
        VLLMClient.init_communicator = with_nccl


def _join(client: Any, device: Any = 0) -> None:
    """Stands in for TRL's ``init_communicator``: from then on the client's weights go into the server's folder.

    Raises:
        UserError: where that folder is no copy that was made for it.
    """
    folder = Path(client._get(f"{client.base_url}/v1/models")["data"][0]["root"])
    served_copy.check(folder, client.base_url)

    def send(metadata: Any, parameters: Iterator[tuple[str, Any]]) -> None:
        # Cloned one by one: once the last has been taken, peft takes its adapter out of the weights again, in place.
        _replace(folder, {name: weight.detach().clone().cpu() for name, weight in parameters})
        client._post(f"{client.base_url}/collective_rpc", json={"method": "reload_weights"})

    # A server that was started again is joined once more.
    client.init_communicator = lambda device=0: _join(client, device)
    client.update_named_params, client.close_communicator = send, lambda: None


def _replace(folder: Path, weights: dict[str, Any]) -> None:
    """Put weights in the place of all that are there; a server that starts meanwhile loads the old ones or the new."""
    new = folder / f"{WEIGHTS}.new"
    save_file(weights, new, metadata={"format": "pt"})
    os.replace(new, folder / WEIGHTS)
    for other in (*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")):
        if other.name != WEIGHTS:
            other.unlink()
