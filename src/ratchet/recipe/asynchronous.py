"""What TRL's asynchronous trainer cannot do, so that a recipe is refused before anything is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratchet.recipe.fields import schema

if TYPE_CHECKING:
    from ratchet.recipe.recipe import Recipe

# Keys of GRPO that are the server's own, or that are checked below.
SERVED = frozenset(
    "use_vllm vllm_mode vllm_server_base_url vllm_server_host vllm_server_port vllm_group_port vllm_max_model_length "
    "vllm_tensor_parallel_size vllm_gpu_memory_utilization loss_type beta scale_rewards".split()
)


def asynchronous_conflicts(recipe: Recipe) -> Iterator[str]:
    """What contradicts the group ``asynchronous`` in a recipe, a sentence each."""
    get = recipe.get
    if not recipe.served:
        yield "asynchronous needs a vLLM server: use_vllm: true, vllm_mode: server"
    if get("use_cpu"):
        yield "asynchronous needs a GPU, for its attention (FlashAttention 3); take use_cpu out, or asynchronous"
    if get("beta"):
        yield f"asynchronous has no reference model; set beta: 0.0 (now {get('beta')})"
    if get("loss_type") not in (None, "dapo"):
        yield (
            "asynchronous has one loss, clipped as PPO's over all tokens of a step; "
            f"take loss_type: {get('loss_type')} out, or write dapo"
        )
    if get("scale_rewards") not in ("group", True):
        yield "asynchronous always divides rewards by their deviation within a group; take scale_rewards out"
    if recipe.evaluation.before or recipe.evaluation.after or get("eval_strategy") != "no":
        yield (
            "asynchronous cannot evaluate while it trains (its attention generates nothing): "
            "evaluation: {before: false, after: false}, eval_strategy: no; ratchet evaluate, or publish.evaluate, "
            "measures what is saved"
        )
    if recipe.diagnostics.mode == "on":
        yield "asynchronous has TRL's own figures only: diagnostics: off"
    if recipe.curriculum is not None:
        yield "asynchronous takes rows in their order; take curriculum out"
    known = schema()["async_grpo"].keys() | schema()["model"].keys() | SERVED
    lost = sorted(key for key in recipe.values if key in schema()["grpo"] and key not in known)
    if lost:
        yield f"asynchronous knows no {', '.join(lost)}; take {'them' if len(lost) > 1 else 'it'} out"
