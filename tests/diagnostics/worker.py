"""Two steps of GRPO on completions that are known beforehand, with everything kept that a naive computation needs.

    python worker.py MODEL full|lora FOLDER [JSON]        (or under accelerate launch, for several processes)

JSON holds further settings of GRPOConfig.

Completions are given to TRL instead of sampled, so that any model, also one with random weights, "answers" with a
letter.
"""

import json
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM
from trl import GRPOConfig

from ratchet.diagnostics.rollouts import RolloutObserver
from ratchet.models import load_tokenizer, locate
from ratchet.recipe.groups import Diagnostics
from ratchet.record.records import Records
from ratchet.rewards import RewardTerm
from ratchet.rewards.functions import correctness
from ratchet.rewards.trl_adapter import Grader, reward_functions
from ratchet.tasks.aquarat.task import AquaRat, Generated
from ratchet.tasks.packing import COLUMN, pack
from ratchet.training.callbacks.monitoring import MonitoringCallback
from ratchet.training.services import Services
from ratchet.training.trainers.grpo import RecipeGRPOTrainer

SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
}
MODELS = {
    "qwen3-tied": {
        "model_type": "qwen3",
        "num_key_value_heads": 2,
        "head_dim": 8,
        "tie_word_embeddings": True,
        **SHAPE,
    },
    "qwen3-untied": {
        "model_type": "qwen3",
        "num_key_value_heads": 2,
        "head_dim": 8,
        "tie_word_embeddings": False,
        **SHAPE,
    },
    "nanochat": {"model_type": "nanochat", "num_key_value_heads": 4, "final_logit_softcapping": 3.0, **SHAPE},
}
ANSWERS = [
    "Answer: A",
    "So 3 + 4 = 7\nAnswer: B",
    "no idea",
    "Answer: C",
    "The answer is D.",
    "1 + 1 = 2\nAnswer: E",
    "Answer: B or C",
    "Answer: A",
]
PROMPTS, GROUP, STEPS = 4, 4, 3


def completions(tokenizer, rank, step, cut=False):
    """Token ids that this process is given at a step: other processes and steps have others.

    All end but, with ``cut``, one kind.
    """
    count = PROMPTS * GROUP // PartialState().num_processes
    texts = [ANSWERS[(i * 3 + rank * 1 + step) % len(ANSWERS)] for i in range(count)]
    ends = [[] if cut and text == "no idea" else [tokenizer.eos_token_id] for text in texts]
    return [
        tokenizer(text, add_special_tokens=False)["input_ids"] + end for text, end in zip(texts, ends, strict=True)
    ]


class Watched(Services):
    """Diagnostics alone, written down in a folder."""

    def __init__(self, records, probe, task, grader):
        super().__init__()
        self.records, self.probe, self.task, self.grader = records, probe, task, grader

    def bind(self, trainer):
        settings = Diagnostics(every=1, rows=2, queries=5, heat_maps=[[1, 2]])
        self.observer = RolloutObserver(trainer, settings, self.probe, self.task)
        self.grader.listeners = [self.observer.graded]
        trainer.add_callback(MonitoringCallback(trainer, self.observer, self.records, self.evaluations))


class Keeping(RecipeGRPOTrainer):
    """Keeps every micro-batch with the weights it was computed with, and the gradients before clipping."""

    def __init__(self, *args, **kwargs):
        self.kept = []
        super().__init__(*args, **kwargs)

    def _compute_loss(self, model, inputs):
        kept = {key: value.clone() for key, value in inputs.items() if isinstance(value, torch.Tensor)}
        weights = {
            name: p.detach().clone() for name, p in self.accelerator.unwrap_model(self.model).named_parameters()
        }
        self.kept.append({"step": self.state.global_step, "inputs": kept, "weights": weights})
        return super()._compute_loss(model, inputs)


def train(kind: str, lora: bool, folder: Path, **settings) -> None:
    """Train, and leave in ``folder``: model/, rank<i>.pt, log.pt."""
    state = PartialState(cpu=True)
    tokenizer = load_tokenizer(locate("ratchet-tiny"))
    if state.is_main_process:
        torch.manual_seed(1)
        config = AutoConfig.for_model(
            **MODELS[kind],
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # random weights as they come are near uniform, and every figure near 0
            if parameter.ndim > 1:
                parameter.data *= 6
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
    state.wait_for_everyone()
    task = AquaRat(source="generated", generated=Generated(train=PROMPTS * STEPS * 2))
    rows = [{"prompt": task.messages(row), COLUMN: pack(row)} for row in task.load("train").rows]
    grader = Grader(task, [RewardTerm(correctness)], 32)
    arguments = GRPOConfig(
        output_dir=str(folder / "out"),
        use_cpu=True,
        bf16=False,
        activation_checkpointing=False,
        per_device_train_batch_size=PROMPTS * GROUP // state.num_processes // 2,
        gradient_accumulation_steps=2,
        num_generations=GROUP,
        max_completion_length=32,
        max_steps=STEPS,
        learning_rate=1e-2,
        logging_steps=1,
        temperature=0.7,
        report_to="none",
        save_strategy="no",
        max_grad_norm=0.01,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        loss_type="dapo",
        seed=0,
        **settings,
    )

    def given(prompts, trainer):
        ids = [
            tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=True, return_dict=False)
            for prompt in prompts
        ]
        return {
            "prompt_ids": ids,
            "completion_ids": completions(
                tokenizer, state.process_index, trainer.state.global_step, arguments.mask_truncated_completions
            ),
            "logprobs": None,
        }

    probe = [
        tokenizer(text * n, add_special_tokens=False)["input_ids"]
        for n, text in ((3, "2 + 3 = 5 "), (5, "Answer: C "), (4, "7 - 4 = 3 "), (6, "A B C "))
    ]
    services = Watched(Records(folder if state.is_main_process else None), probe, task, grader)
    trainer = Keeping(
        model=str(folder / "model"),
        args=arguments,
        reward_funcs=reward_functions(grader),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        rollout_func=given,
        peft_config=LoraConfig(r=4, target_modules=["q_proj", "v_proj"]) if lora else None,
        services=services,
    )
    trainer.train()
    torch.save(
        {"kept": trainer.kept, "probe": probe, "notes": services.observer.notes},
        folder / f"rank{state.process_index}.pt",
    )
    if state.is_main_process:
        torch.save(trainer.state.log_history, folder / "log.pt")
    state.wait_for_everyone()


if __name__ == "__main__":
    train(sys.argv[1], sys.argv[2] == "lora", Path(sys.argv[3]), **json.loads((sys.argv[4:] or ["{}"])[0]))
