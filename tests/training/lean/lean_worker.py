"""Trains on the same made-up completions with lean steps and with TRL alone, and says how far apart they are.

    python lean_worker.py FOLDER CASE...      (or under accelerate launch, for several processes)

Prints one JSON line per case: {"case": ..., "losses": largest relative difference of a step's loss, "weights": of a
weight after the last step, relative to its tensor's norm, "figures": names of logged figures that differ, "lean": what
was saved}.
"""

import json
import math
import os
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM
from trl import GRPOConfig, SFTConfig

from ratchet.recipe.groups import Lean
from ratchet.training.trainers.grpo import RecipeGRPOTrainer
from ratchet.training.trainers.sft import RecipeSFTTrainer

sys.path.insert(0, str(Path(__file__).parent))
from lean_cases import CASES  # noqa: E402

COMMON = {
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "optim": "sgd",
    "learning_rate": 0.05,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 1.0,
    "logging_steps": 1,
    "report_to": "none",
    "save_strategy": "no",
    "use_cpu": True,
    "bf16": os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true",  # as its configuration says
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "ddp_find_unused_parameters": False,
}
VOCABULARY = 64


def tokenizer() -> PreTrainedTokenizerFast:
    words = {f"w{i}": i for i in range(2, VOCABULARY)} | {"<pad>": 0, "<eos>": 1}
    made = Tokenizer(WordLevel(words, unk_token="<pad>"))
    made.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>")


def model() -> Qwen3ForCausalLM:
    torch.manual_seed(0)
    return Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=256,
            pad_token_id=0,
            eos_token_id=1,
        )
    )


class MadeUp(RecipeGRPOTrainer):
    """Rows as a generation would give them, from a generator of their own."""

    kinds: frozenset = frozenset()

    def _generate_and_score_completions(self, inputs):
        draw = torch.Generator().manual_seed(1000 * self._step + self.accelerator.process_index)
        rows, group = len(inputs), self.num_generations
        prompts = torch.randint(2, 30, (rows // group,), generator=draw).repeat_interleave(group)
        lengths = torch.randint(1, 40, (rows,), generator=draw)
        columns, width = torch.arange(int(prompts.max())), int(lengths.max())
        prompt_mask = (columns >= columns.numel() - prompts[:, None]).long()
        words = torch.randint(2, VOCABULARY, (rows // group, columns.numel()), generator=draw)
        words = words.repeat_interleave(group, 0) * prompt_mask
        mask = (torch.arange(width) < lengths[:, None]).long()
        completions = torch.randint(2, VOCABULARY, (rows, width), generator=draw) * mask
        advantages = torch.randn(rows, generator=draw)
        flat = torch.rand(rows // group, generator=draw) < (1.0 if "all-alike" in self.kinds else 0.4)
        advantages[flat.repeat_interleave(group)] = 0.0
        batch = {"prompt_ids": words, "prompt_mask": prompt_mask, "completion_ids": completions}
        if "masked" in self.kinds:
            mask = mask * (torch.rand(rows, 1, generator=draw) < 0.7)
        if "tools" in self.kinds:
            batch["tool_mask"] = (torch.rand(rows, width, generator=draw) < 0.7).long()
        if "by-token" in self.kinds:
            advantages = advantages[:, None] * torch.rand(rows, width, generator=draw)
        counted = (mask * batch.get("tool_mask", 1)).sum()
        batch |= {"completion_mask": mask, "advantages": advantages}
        batch["num_items_in_batch"] = self.accelerator.gather(counted.reshape(1)).sum()
        ids, attended = torch.cat([words, completions], 1), torch.cat([prompt_mask, mask], 1)
        for kind, name, noise in (("old", "old_per_token_logps", 0.3), ("reference", "ref_per_token_logps", 0.0)):
            if kind in self.kinds:
                with torch.no_grad():
                    found, _, _ = self._get_per_token_logps_and_entropies(
                        self.model, ids, attended, width, batch_size=self.args.per_device_train_batch_size
                    )
                batch[name] = (found + noise * torch.randn(found.shape, generator=draw)) * mask
        return batch


def sft_rows() -> Dataset:
    draw = torch.Generator().manual_seed(5)
    lengths = torch.randint(3, 70, (400,), generator=draw).tolist()
    return Dataset.from_dict(
        {
            "input_ids": [torch.randint(2, VOCABULARY, (n,), generator=draw).tolist() for n in lengths],
            "completion_mask": [[int(i >= n // 3) for i in range(n)] for n in lengths],
        }
    )


def built(folder: Path, values: dict, kinds: frozenset, lean: Lean | None):
    adapter = LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM") if "lora" in kinds else None
    given = {"model": str(folder), "processing_class": tokenizer(), "peft_config": adapter, "lean": lean}
    common = {"output_dir": str(folder), "model_init_kwargs": {"dtype": "float32"}, **COMMON, **values}
    if "sft" in kinds:
        return RecipeSFTTrainer(args=SFTConfig(max_length=None, **common), train_dataset=sft_rows(), **given)
    return MadeUp(
        args=GRPOConfig(**{"num_generations": 4, "max_completion_length": 40, "beta": 0.0, **common}),
        reward_funcs=lambda completions, **given: [0.0] * len(completions),
        train_dataset=Dataset.from_dict({"prompt": ["w2 w3"] * 512}),
        **given,
    )


def trained(folder: Path, values: dict, kinds: frozenset, lean: Lean | None):
    long = len(values) == 1 and "loss_type" in values
    trainer = built(folder, {"max_steps": 50 if long else 15, **values}, kinds, lean)
    trainer.kinds = kinds
    torch.manual_seed(1)  # of the order in which TRL takes rows
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    weights = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    return logs, weights, trainer


def apart(one: float, other: float) -> float:
    """How far two figures are apart, relative to the larger one, or to 0.2: losses are sums of what has both signs."""
    return abs(one - other) / max(abs(one), abs(other), 0.2)


def compare(folder: Path, name: str) -> dict:
    values, kinds = CASES[name]
    budget = 96 if "budget" in kinds else None
    plain, before, _ = trained(folder, values, kinds, None)
    logs, after, trainer = trained(folder, values, kinds, Lean(tokens_per_micro_batch=budget))
    different = set()
    for one, other in zip(plain, logs, strict=True):
        for key in one.keys() - {"loss", "step_time", "epoch", "step", "grad_norm"}:
            values = one[key], other.get(key)
            known = all(isinstance(value, (int, float)) and not math.isnan(value) for value in values)
            if values[0] is not None and (not known or apart(*values) > 1e-4):
                different.add(key)
    return {
        "case": name,
        "losses": max(apart(one["loss"], other["loss"]) for one, other in zip(plain, logs, strict=True)),
        "norms": max(apart(one["grad_norm"], other["grad_norm"]) for one, other in zip(plain, logs, strict=True)),
        "weights": max(float((after[key] - before[key]).norm() / before[key].norm()) for key in before),
        "largest_pass": max(entry.get("lean/largest_pass", 0) for entry in logs),
        "figures": sorted(different),
        "regroups": trainer.regroups,
        "saved": sum(entry.get("lean/computed_share", 1.0) for entry in logs) / len(logs),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    state, place = PartialState(cpu=True), Path(sys.argv[1])
    if state.is_main_process:
        model().save_pretrained(place)
    state.wait_for_everyone()
    for case in sys.argv[2:] or CASES:
        found = compare(place, case)
        if state.is_main_process:
            print(json.dumps(found), flush=True)
