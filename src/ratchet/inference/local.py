"""Completions of a causal language model for a list of prompts, on one process or several, the same either way.

Prompts are cut into batches once, by length and for any number of processes in the same way; batch i goes to process
i modulo their number and samples with a seed of its own. So one process and two produce the same completions.
"""

import math
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from ratchet.inference.completion import Completion, Generator, Sampling
from ratchet.inference.decoding import decode
from ratchet.models.chat_format import ChatFormat
from ratchet.tasks.base import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, TextStreamer

SEED_STRIDE = 1_000_003
"""More than any evaluation has batches, so that batches of two seeds never share one."""


@torch.no_grad()
def complete(
    model: "PreTrainedModel",
    chat: ChatFormat,
    prompts: Sequence[str],
    sampling: Sampling,
    title: str = "",
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
    rounds = math.ceil(len(batches) / state.num_processes)
    silent = not state.is_main_process or rounds < 2
    drawn: list[tuple[int, Completion]] = []
    was_training = model.training
    model.eval()
    # An evaluation in the middle of training must not move the random states that training draws from.
    with torch.random.fork_rng(devices=_devices(model)):
        for turn in tqdm(
            range(rounds), desc=title or "generating", disable=silent or not sys.stderr.isatty(), leave=False
        ):
            # Where weights are split over processes all must generate together: one without a batch repeats the last.
            i = turn * state.num_processes + state.process_index
            batch = batches[min(i, len(batches) - 1)]
            torch.manual_seed(sampling.seed * SEED_STRIDE + i)
            completions = _generate(model, chat, [prompts[index] for index in batch], sampling)
            if i < len(batches):
                drawn += zip(batch, completions, strict=True)
    model.train(was_training)
    gathered = gather_object(drawn) if state.num_processes > 1 else drawn
    grouped: list[list[Completion]] = [[] for _ in prompts]
    for index, completion in gathered:
        grouped[index].append(completion)
    return grouped, time.perf_counter() - start


def _batches(prompts: Sequence[str], sampling: Sampling) -> list[list[int]]:
    """Indices of prompts, cut into batches of about equal lengths, so that little padding is computed."""
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    wanted = [i for i in order for _ in range(sampling.samples)]
    starts = range(0, len(wanted), sampling.batch_size)
    return [wanted[i : i + sampling.batch_size] for i in starts]


def _devices(model: "PreTrainedModel") -> list[int]:
    device = model.device
    return [device.index or 0] if device.type == "cuda" else []


def _generate(
    model: "PreTrainedModel",
    chat: ChatFormat,
    texts: list[str],
    sampling: Sampling,
    streamer: "TextStreamer | None" = None,
) -> list[Completion]:
    tokenizer = chat.tokenizer
    inputs = tokenizer(
        texts,
        return_tensors="pt",
        padding=True,
        padding_side="left",
        add_special_tokens=False,
        return_token_type_ids=False,
    ).to(model.device)
    pad = tokenizer.pad_token_id
    output = model.generate(
        **inputs,
        max_new_tokens=sampling.max_new_tokens,
        **({"custom_generate": decode} if streamer is None else {"streamer": streamer}),
        pad_token_id=tokenizer.eos_token_id if pad is None else pad,
        eos_token_id=chat.ends,
        **_drawing(sampling),
    )
    written = output[:, inputs["input_ids"].shape[1] :]
    return [_completion(tokenizer, ids, chat.ends) for ids in written.tolist()]


def _drawing(sampling: Sampling) -> dict[str, Any]:
    """The arguments of ``generate`` that say how to draw.

    All four are always given: what is left out is taken from the model's generation_config.json, and many models there
    ask for sampling with a temperature, top_p and top_k of their own.
    """
    if sampling.temperature > 0:
        return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}


def _completion(tokenizer: "PreTrainedTokenizerBase", ids: list[int], ends: Sequence[int]) -> Completion:
    """A completion up to its first end token; what follows it is padding."""
    stop = next((i for i, token in enumerate(ids) if token in ends), None)
    kept = ids if stop is None else ids[:stop]
    text = tokenizer.decode(kept, skip_special_tokens=True)
    return Completion(text, len(kept) + (stop is not None), truncated=stop is None)


def generator(model: "PreTrainedModel", chat: ChatFormat, title: str = "") -> Generator:
    """A ``Generator`` that asks a model in this process.

    Args:
        title: of the progress bar.
    """

    def generate(
        conversations: Sequence[Sequence[Message]], sampling: Sampling
    ) -> tuple[list[list[Completion]], float]:
        prompts = [chat.prompt(messages) for messages in conversations]
        return complete(model, chat, prompts, sampling, title)

    return generate


@torch.no_grad()
def stream(model: "PreTrainedModel", chat: ChatFormat, messages: Sequence[Message], sampling: Sampling) -> Completion:
    """Complete one conversation, and print the completion while it is written."""
    from transformers import TextStreamer

    streamer = TextStreamer(chat.tokenizer, skip_prompt=True, skip_special_tokens=True)
    torch.manual_seed(sampling.seed)
    (completion,) = _generate(model, chat, [chat.prompt(messages)], sampling, streamer)
    return completion
