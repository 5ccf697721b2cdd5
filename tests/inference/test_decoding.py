"""Completions that are written without computing what nobody reads are those of transformers' ``generate``."""

import json

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

from ratchet.inference.decoding import decode

SHAPE = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
ENDS = [1, 5, 6, 7, 8, 9, 10, 11]
"""So many that completions of random models end."""


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    windows = Gemma2Config(**SHAPE, sliding_window=4, attn_implementation="eager")
    return {"plain": Qwen3ForCausalLM(Qwen3Config(**SHAPE)).eval(), "windows": Gemma2ForCausalLM(windows).eval()}


def prompts(lengths, repeat):
    draw = torch.Generator().manual_seed(1)
    width = max(lengths)
    mask = torch.tensor([[0] * (width - n) + [1] * n for n in lengths]).repeat_interleave(repeat, 0)
    ids = torch.randint(12, 40, (len(lengths), width), generator=draw).repeat_interleave(repeat, 0) * mask
    return {"input_ids": ids, "attention_mask": mask}


def both(model, given, **values):
    found = []
    for more in ({}, {"custom_generate": decode}):
        torch.manual_seed(7)
        values = {"max_new_tokens": 24, "eos_token_id": ENDS, "pad_token_id": 0, "top_k": 0, **values}
        found.append((model.generate(**given, **values, **more), torch.rand(1).item()))
    return found


@pytest.mark.parametrize("name", ["plain", "windows"])
@pytest.mark.parametrize(("lengths", "repeat"), [((3, 9, 5), 4), ((6, 6), 8), ((7, 2, 9, 4, 9), 1), ((4,), 1)])
@pytest.mark.parametrize(
    "values",
    [
        {"do_sample": True, "temperature": 1.0, "top_p": 1.0},
        {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "repetition_penalty": 1.3, "min_new_tokens": 2},
        {"do_sample": False, "no_repeat_ngram_size": 2},
    ],
    ids=["sampled", "penalised", "greedy"],
)
def test_the_completions_are_those_of_generate(models, name, lengths, repeat, values):
    (plain, drawn), (found, drawn_too) = both(models[name], prompts(lengths, repeat), **values)
    assert plain.tolist() == found.tolist()
    assert drawn == drawn_too or not values["do_sample"]


def test_prompts_are_read_once_and_ended_rows_leave(models):
    seen = []
    hook = models["plain"].register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    try:
        models["plain"].generate(
            **prompts((5, 7), 16),
            max_new_tokens=40,
            do_sample=True,
            top_k=0,
            eos_token_id=ENDS,
            custom_generate=decode,
        )
    finally:
        hook.remove()
    assert seen[:2] == [2, 32]
    assert seen[-1] < 16


def test_another_kind_of_cache_is_left_to_transformers(models):
    (plain, _), (found, _) = both(models["plain"], prompts((3, 5), 2), do_sample=True, cache_implementation="static")
    assert plain.tolist() == found.tolist()


@pytest.mark.apart
def test_rollouts_of_lean_steps_are_trls(script, tmp_path):
    runs = []
    for mode in ("on", "off"):
        words = ("recipes/debug/grpo.yaml", "--lean.mode", mode, "--output_dir", f"run-{mode}", "--max_steps", "4")
        script("scripts/grpo.py", *words, "--report", "off", "--evaluation.after", "false")
        lines = (tmp_path / f"run-{mode}/diagnostics/samples.jsonl").read_text().splitlines()
        runs.append([json.loads(line)["completion"] for line in lines])
    assert runs[0] and runs[0] == runs[1]
