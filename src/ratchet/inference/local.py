"""Completions of a causal language model for a list of prompts, on one process or several, the same either way.

Prompts are cut into batches once, by length and whatever the number of processes is; batch i goes to process i modulo
their number and samples with a seed of its own. So one process and two produce the same completions.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from ratchet.inference.completion import Completion, Sampling
from ratchet.models import PlainText


@torch.no_grad()
def complete(
    model: Any, tokenizer: Any, prompts: Sequence[str], sampling: Sampling, title: str = ""
) -> tuple[list[list[Completion]], float]:
    """Complete every prompt ``sampling.samples`` times.

    Args:
        model: an unwrapped causal language model on its device.
        prompts: rendered prompts.

    Returns:
        The completions, one list per prompt in the order given (on every process), and the seconds it took.
    """
    state = PartialState()
    start = time.perf_counter()
    batches = _batches(prompts, sampling)
    rounds = range(-(-len(batches) // state.num_processes))
    found: list[tuple[int, Completion]] = []
    was_training = model.training
    model.eval()
    with torch.random.fork_rng(devices=_devices(model)):
        for turn in tqdm(
            rounds, desc=title or "generating", disable=not state.is_main_process or len(rounds) < 2, leave=False
        ):
            # Where weights are split over processes all must generate together: one without a batch repeats the last.
            i = turn * state.num_processes + state.process_index
            batch = batches[min(i, len(batches) - 1)]
            torch.manual_seed(sampling.seed * 1_000_003 + i)
            completions = _generate(model, tokenizer, [prompts[index] for index in batch], sampling)
            if i < len(batches):
                found += zip(batch, completions, strict=True)
    model.train(was_training)
    gathered = gather_object(found) if state.num_processes > 1 else found
    grouped: list[list[Completion]] = [[] for _ in prompts]
    for index, completion in gathered:
        grouped[index].append(completion)
    return grouped, time.perf_counter() - start


def _batches(prompts: Sequence[str], sampling: Sampling) -> list[list[int]]:
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    wanted = [i for i in order for _ in range(sampling.samples)]
    return [wanted[i : i + sampling.batch_size] for i in range(0, len(wanted), sampling.batch_size)]


def _devices(model: Any) -> list[int]:
    device = model.device
    return [device.index or 0] if device.type == "cuda" else []


def _generate(
    model: Any, tokenizer: Any, texts: list[str], sampling: Sampling, streamer: Any = None
) -> list[Completion]:
    inputs = tokenizer(
        texts,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_token_type_ids=False,
    ).to(model.device)
    drawn = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    output = model.generate(
        **inputs,
        max_new_tokens=sampling.max_new_tokens,
        streamer=streamer,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        **(
            drawn
            if sampling.temperature > 0
            else {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        ),
    )
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
    return [_completion(tokenizer, ids, ends) for ids in output[:, inputs["input_ids"].shape[1] :].tolist()]


def _completion(tokenizer: Any, ids: list[int], ends: set[int | None]) -> Completion:
    stop = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Completion(text, len(kept) + (stop is not None), truncated=stop is None)


def rendered(
    tokenizer: Any, conversations: Sequence[Sequence[dict[str, str]]], template_arguments: dict[str, Any] | None = None
) -> list[str]:
    """Conversations as the model reads them, up to where its answer begins."""
    plain = PlainText(tokenizer)
    return [
        tokenizer.apply_chat_template(
            plain(messages), tokenize=False, add_generation_prompt=True, **(template_arguments or {})
        )
        for messages in conversations
    ]


def generator(
    model: Any, tokenizer: Any, template_arguments: dict[str, Any] | None = None, title: str = ""
) -> Callable:
    """What ``evaluation.evaluate`` calls: conversations and a ``Sampling`` to completions."""

    def generate(
        conversations: Sequence[Sequence[dict[str, str]]], sampling: Sampling
    ) -> tuple[list[list[Completion]], float]:
        return complete(model, tokenizer, rendered(tokenizer, conversations, template_arguments), sampling, title)

    return generate


@torch.no_grad()
def stream(
    model: Any,
    tokenizer: Any,
    messages: Sequence[dict[str, str]],
    sampling: Sampling,
    template_arguments: dict[str, Any] | None = None,
) -> Completion:
    """Complete one conversation, and print the completion while it is written."""
    from transformers import TextStreamer

    streamer = TextStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    torch.manual_seed(sampling.seed)
    (completion,) = _generate(
        model, tokenizer, rendered(tokenizer, [messages], template_arguments), sampling, streamer
    )
    return completion
