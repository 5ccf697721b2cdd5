"""A plugin that vLLM loads in every process of its own: on a CPU, weights stay as they are.

Its CPU backend packs the weights of linear layers when it loads them, after which new ones cannot be loaded in their
place: GRPO could not send any, and a tied output head would keep the old ones without a word.
"""


def apply() -> None:
    """Leave the weights unpacked; on any other device nothing happens."""
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return
    import torch
    from vllm.model_executor.layers import utils

    def plain(layer: torch.nn.Module, remove_weight: bool) -> None:
        layer.cpu_linear = torch.nn.functional.linear

    utils.dispatch_cpu_unquantized_gemm = plain
