"""What lies beyond this process: other ranks, a vLLM server, the Hub, trackers, ports."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ratchet.doctor.findings import Finding

PATIENCE = 20  # seconds that a server has for one token
# TRL 1.16 speaks with these (trl/import_utils.py); 0.31 and later ask for another transformers than the supported set.
OLDEST_VLLM, NEWEST_VLLM = (0, 22), (0, 30)


def ranks(processes: int, seconds: float = 120) -> Iterator[Finding]:
    """Whether processes of this machine reach each other and can sum: over gloo, and NCCL where there are GPUs."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", "0"]
    words += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "-m", "ratchet.doctor.reach"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, env=environ)
    except subprocess.TimeoutExpired:
        yield Finding(
            "error",
            "ranks",
            f"{processes} processes did not finish one sum in {seconds:g} s",
            "NCCL_DEBUG=INFO shows where; a firewall, a wrong NCCL_SOCKET_IFNAME, "
            "or NCCL_P2P_DISABLE=1 on machines without peer access",
        )
        return
    sums = re.findall(r"^reach (\w+) (\d+) ([\d.]+)$", done.stdout, re.M)
    for backend, world, rate in sums:
        yield Finding("ok", f"ranks ({backend})", f"{world} processes reach each other, {rate} GB/s summed")
    if done.returncode or not sums:
        end = " ".join((done.stderr.strip().splitlines() or ["no output"])[-1:])
        yield Finding(
            "error",
            "ranks",
            f"{processes} processes cannot work together: {end[:300]}",
            "NCCL_DEBUG=INFO ratchet doctor shows more",
        )


def vllm_server(url: str) -> Iterator[Finding]:
    """Health, version, and models of a vLLM server."""
    import requests

    url = url.rstrip("/").removesuffix("/v1")
    try:
        health = requests.get(f"{url}/health", timeout=10)
    except (requests.RequestException, ValueError) as error:
        yield Finding(
            "error",
            "vLLM",
            f"nothing answers at {url} ({type(error).__name__})",
            "start it: ratchet launch RECIPE --on local, or see docs/one_node.md; "
            f"its log says why it is not up ({url})",
        )
        return
    if health.status_code != 200:
        yield Finding(
            "error",
            "vLLM",
            f"{url}/health answers {health.status_code}",
            "it is still loading, or its engine has died: read its log",
        )
        return
    yield Finding("ok", "vLLM", f"{url} says that it is healthy")
    yield _version(_json(f"{url}/version", "version"), url)
    if (served := _json(f"{url}/v1/models", "data")) and isinstance(served, list):
        names = [str(model.get("id")) for model in served if isinstance(model, dict)]
        yield Finding("ok", "vLLM", f"serves {', '.join(names)}")
        if names:
            yield _token(url, names[0])
    if _status(f"{url}/weight_info") == 404:
        yield Finding(
            "warning",
            "vLLM",
            "takes no weights (no /weight_info): TRL cannot train with it",
            "start it with VLLM_SERVER_DEV_MODE=1 and --weight-transfer-config, as ratchet launch does",
        )


def _token(url: str, model: str) -> Finding:
    """Whether the engine makes one: a server whose engine hangs still says that it is healthy."""
    import requests

    try:
        body = {"model": model, "prompt": "1", "max_tokens": 1}
        answer = requests.post(f"{url}/v1/completions", json=body, timeout=PATIENCE)
        if answer.status_code == 200:
            return Finding("ok", "vLLM", "makes tokens")
        said = f"status {answer.status_code}"
    except (requests.RequestException, ValueError) as error:
        said = type(error).__name__
    text = f"makes no token within {PATIENCE} s ({said}), although it says that it is healthy"
    return Finding("error", "vLLM", text, "its engine hangs or has died: read its log, and start it again")


def _version(version: object, url: str) -> Finding:
    parts = tuple(int(number) for number in re.findall(r"\d+", str(version))[:2])
    if len(parts) < 2:
        return Finding(
            "warning",
            "vLLM",
            f"{url}/version says no version",
            "TRL 1.16 speaks with vllm 0.22 to 0.30; setup.cfg pins 0.30.0",
        )
    if not OLDEST_VLLM <= parts <= NEWEST_VLLM:
        return Finding(
            "error",
            "vLLM",
            f"version {version} is not one that TRL 1.16 and transformers 5.23 work with (0.22 to 0.30)",
            'pip install "vllm==0.30.0"',
        )
    return Finding("ok", "vLLM", f"version {version}")


def _status(url: str) -> int | None:
    import requests

    try:
        return requests.get(url, timeout=10).status_code
    except requests.RequestException:
        return None


def _json(url: str, key: str) -> object:
    import requests

    try:
        answer = requests.get(url, timeout=10).json()
    except (requests.RequestException, ValueError):
        return None
    return answer.get(key) if isinstance(answer, dict) else None


def logins(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether the Hub and W&B know this user. Names of variables only, never what they hold."""
    yield _hub(environ)
    yield _wandb(environ)


def _hub(environ: Mapping[str, str]) -> Finding:
    from huggingface_hub import HfApi, get_token

    if environ.get("HF_HUB_OFFLINE") in ("1", "true", "True"):
        return Finding("note", "Hub", "HF_HUB_OFFLINE is set: nothing is fetched or pushed")
    if get_token() is None:
        text = "no login; public models can be fetched, nothing can be pushed"
        return Finding("note", "Hub", text, "hf auth login, or HF_TOKEN in .env")
    try:
        return Finding("ok", "Hub", f"logged in as {HfApi().whoami()['name']}")
    except Exception as error:  # the Hub's client raises dozens of kinds; their texts may hold the token
        text = f"there is a token, and the Hub does not confirm it ({type(error).__name__})"
        return Finding("warning", "Hub", text, "check the network, or hf auth login again")


def _wandb(environ: Mapping[str, str]) -> Finding:
    netrc = Path("~/.netrc").expanduser()
    in_file = netrc.is_file() and "wandb" in netrc.read_text(encoding="utf-8", errors="replace")
    if environ.get("WANDB_API_KEY") or in_file:
        return Finding("ok", "W&B", "a key is there")
    remedy = "wandb login, or WANDB_API_KEY in .env; tracking: {offline: true} needs none"
    return Finding("note", "W&B", "no key", remedy)


def port(number: int = 29500) -> Finding:
    """Whether the usual port of a rendezvous is free."""
    with socket.socket() as probe:
        try:
            probe.bind(("", number))
        except OSError:
            return Finding(
                "warning",
                "port",
                f"{number} is taken: another run?",
                "accelerate launch --main_process_port 0 takes a free one",
            )
    return Finding("ok", "port", f"{number} is free")
