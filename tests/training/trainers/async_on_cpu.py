"""scripts/grpo.py with TRL's asynchronous trainer on a CPU: FlashAttention 3 and NCCL, which need a GPU, are replaced;
the rest is real.

python async_on_cpu.py RECIPE.yaml --key value ...
"""

import socket
from pathlib import Path
from types import SimpleNamespace

import torch
from vllm_on_cpu import broadcast, open_trainer_endpoint


def varlen(
    query, key, value, starts_q, starts_k, longest_q, longest_k, softmax_scale=None, causal=True, window_size=(-1, -1)
):
    """What flash_attn_varlen_func computes: each piece of queries sees its own keys, the last query all of them."""
    out = torch.empty_like(query)
    repeat = query.shape[1] // key.shape[1]
    for (a, b), (c, d) in zip(
        zip(starts_q[:-1], starts_q[1:], strict=True), zip(starts_k[:-1], starts_k[1:], strict=True), strict=True
    ):
        q, k, v = (x.transpose(0, 1) for x in (query[a:b], key[c:d], value[c:d]))
        k, v = (x.repeat_interleave(repeat, 0) for x in (k, v))
        later = torch.ones(b - a, d - c, dtype=torch.bool).tril(int((d - c) - (b - a)))
        out[a:b] = torch.nn.functional.scaled_dot_product_attention(
            q, k, v, attn_mask=later, scale=softmax_scale
        ).transpose(0, 1)
    return out


def open_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def install():
    from trl.experimental.async_grpo import async_grpo_trainer, async_rollout_worker, packing, weight_transfer

    async_grpo_trainer.get_peak_flops_per_device = lambda accelerator, dtype: None
    packing._flash_attn = lambda: SimpleNamespace(flash_attn_varlen_func=varlen)
    weight_transfer.is_vllm_available = async_rollout_worker.is_vllm_available = lambda min_version=None: True
    weight_transfer.get_ip, weight_transfer.get_open_port = (lambda: "127.0.0.1"), open_port
    weight_transfer._HAS_STATEFUL_TRAINER_ENGINE = True
    weight_transfer.open_trainer_endpoint, weight_transfer.packed_nccl_broadcast_producer = (
        open_trainer_endpoint,
        broadcast,
    )


def allow_cpu():
    from ratchet import runtime
    from ratchet.recipe import load

    found = load.conflicts
    load.conflicts = lambda recipe: (text for text in found(recipe) if "asynchronous needs a GPU" not in text)
    runtime._check_vllm_for_cpus = lambda recipe: None


def fail_on_demand():
    """A reward that raises where the run's folder holds a file "fail"."""
    from ratchet.training.trainers.async_grpo import Reward

    plain = Reward.__call__

    def call(self, *args, **kwargs):
        if Path("fail").exists():
            raise ZeroDivisionError("told to")
        return plain(self, *args, **kwargs)

    Reward.__call__ = call


fail_on_demand()
allow_cpu()  # TRL's child process imports this file again, and reads the recipe too
if __name__ == "__main__":
    from ratchet.cli.main import grpo

    install()
    grpo()
