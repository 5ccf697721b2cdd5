"""Runs a recipe with a teacher, and compares what it adds with a naive computation.

    python naive_worker.py FOLDER NAME OPTION VALUE ...

Every row is scored by itself, by a plain forward pass over the rendered prompt and the completion's tokens, with the
weights that the teacher should have. Prints {"apart": the largest difference, "tokens": how many were compared}.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from ratchet.models import locate
from ratchet.recipe import load_recipe
from ratchet.tasks import packing
from ratchet.training.distillation.distiller import Distiller
from ratchet.training.run import train

ROOT = Path(__file__).resolve().parents[3]
found = {"apart": 0.0, "tokens": 0, "names": []}
plain = Distiller.take


def scored(model, ids, start, temperature):
    """Log-probabilities of ids[start:]."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1] / temperature
    return logits.log_softmax(-1).gather(1, torch.tensor(ids[start:])[:, None])[:, 0]


def naive(self, output, rewards):
    """What the advantages should be, before they are changed."""
    trainer, settings, task = self.trainer, self.settings, self.run.recipe.task
    student = trainer.accelerator.unwrap_model(trainer.model)
    before = AutoModelForCausalLM.from_pretrained(locate(settings.teacher) if OTHER else self.run.model_path).eval()
    teacher = student if settings.teacher == "live" else before
    was = student.training
    student.eval()
    advantages = output["advantages"].clone()
    expected = []
    for i, given in enumerate(self.rows):
        row = packing.unpack(given[packing.COLUMN])
        system = [{"role": "system", "content": f"Hint: {row['rationale']}"}]
        told = self.run.chat.ids(self.run.chat.prompt([*system, *task.messages(row)]))
        alone = self.run.chat.ids(self.run.chat.prompt(task.messages(row)))
        written = output["completion_ids"][i][output["completion_mask"][i].bool()].tolist()
        own = scored(student, alone + written, len(alone), trainer.temperature)
        others = scored(teacher, told + written, len(told), trainer.temperature)
        expected.append(settings.teacher_tau * others - settings.student_tau * own)
    student.train(was)
    plain(self, output, rewards)
    for i, term in enumerate(expected):
        if settings.form == "token":
            there = settings.adv_tau * advantages[i] + term
            apart = (output["advantages"][i, : len(there)] - there).abs().max()
            assert not output["advantages"][i, len(there) :].any()
        else:
            group = range(i // 8 * 8, i // 8 * 8 + 8)
            total = [settings.adv_tau * float(rewards[k].sum()) + float(expected[k].sum()) for k in group]
            apart = abs(float(output["advantages"][i]) - (total[i % 8] - sum(total) / 8))
        found["apart"] = max(found["apart"], float(apart))
        found["tokens"] += len(term)
    found["names"] = sorted(name for name in trainer._metrics["train"] if name.startswith("distill/"))


if __name__ == "__main__":
    words = sys.argv[2:]
    OTHER = "--distillation.teacher" in words and "ratchet-tiny" in words
    Distiller.take = naive
    common = (
        "--report off --evaluation.after false --max_steps 2 --save_strategy no --logging_steps 5 --audit.mode off"
    )
    options = [*common.split(), *words, "--output_dir", sys.argv[1]]
    options += ["--distillation.context", "'Hint: {{ rationale }}'", "--distillation.measure", "0"]
    pairs = [(key[2:], value) for key, value in zip(options[::2], options[1::2], strict=True)]
    train(load_recipe(ROOT / "recipes/debug/grpo.yaml", pairs, environ={}))
    print(json.dumps(found))
