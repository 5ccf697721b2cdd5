"""A true slice of the loss around a saved model: along two random directions, each filter scaled to the filter it moves.

Li et al. (2018), "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913: direction d is drawn from a normal
distribution, each filter d[i] of a weight is scaled to the norm of the weight's own filter w[i], and vectors (biases,
norms) are not moved; the loss is L(w + a d1 + b d2).
"""

import json
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.files import write_json
from ratchet.models import load_for_evaluation, load_tokenizer
from ratchet.recipe import load_recipe
from ratchet.record.records import FOLDER
from ratchet.runtime import quiet

ROWS, POINTS, REACH = 16, 11, 1.0


def measure(folder: Path) -> Path:
    """Measure the slice around the model in a run's folder, on targets of held-out rows; writes diagnostics/loss_slice.json.

    It holds the model's weights four times, in float32: as they are, a copy, and two directions.

    Raises:
        UserError: when the folder holds no saved model or no recipe.
    """
    if (
        not (folder / "recipe.yaml").is_file()
        or not (folder / "config.json").is_file()
        and not (folder / "adapter_config.json").is_file()
    ):
        raise UserError(
            f"--loss-slice needs recipe.yaml and the saved model in {folder}; a run saves its model at its end"
        )
    recipe = load_recipe(folder / "recipe.yaml", environ={}, to_train=False)
    quiet()
    gpu = torch.accelerator.is_available() and not recipe.get("use_cpu")
    device = str(torch.accelerator.current_accelerator()) if gpu else "cpu"
    if not gpu and not recipe.get("use_cpu"):
        print("there is no GPU here: the loss slice is measured on the CPU, which may take long")
    model = load_for_evaluation(str(folder), "float32", device)
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)[:ROWS]
    batch = targets(recipe, load_tokenizer(str(folder)), rows, device)
    axis = [round(-REACH + 2 * REACH * i / (POINTS - 1), 6) for i in range(POINTS)]
    losses = loss_slice(model, batch, axis, seed=0)
    state = folder / "trainer_state.json"
    step = json.loads(state.read_text(encoding="utf-8")).get("global_step") if state.is_file() else None
    target = folder / FOLDER / "loss_slice.json"
    write_json(target, {"axis": axis, "losses": losses, "rows": len(rows), "step": step, "seed": 0})
    return target


def targets(recipe: Any, tokenizer: Any, rows: list[dict[str, Any]], device: str) -> dict[str, torch.Tensor]:
    """Prompts with their targets, (rows, tokens); labels are the target's tokens."""
    task, arguments = recipe.task, recipe.values.get("chat_template_kwargs") or {}
    sequences = []
    for row in rows:
        prompt = tokenizer.apply_chat_template(
            task.messages(row), tokenize=False, add_generation_prompt=True, **arguments
        )
        whole = tokenizer.apply_chat_template(
            [*task.messages(row), {"role": "assistant", "content": task.target(row)}], tokenize=False, **arguments
        )
        first, both = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, whole))
        sequences.append((both, min(len(first), len(both) - 1)))
    width = max(len(ids) for ids, _ in sequences)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return {
        "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in sequences], device=device),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in sequences], device=device
        ),
        "labels": torch.tensor(
            [[-100] * start + ids[start:] + [-100] * (width - len(ids)) for ids, start in sequences], device=device
        ),
    }


def direction(model: Any, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """A filter-normalised random direction: one tensor for each weight that is moved."""
    found = {}
    for name, weight in model.named_parameters():
        if weight.ndim < 2:
            continue
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        sizes = drawn.flatten(1).norm(dim=1).clamp(min=1e-12)
        found[name] = drawn * (weight.detach().flatten(1).norm(dim=1) / sizes).view(-1, *[1] * (weight.ndim - 1))
    return found


@torch.no_grad()
def loss_slice(model: Any, batch: dict[str, torch.Tensor], axis: list[float], seed: int) -> list[list[float]]:
    """Losses over the grid ``axis`` x ``axis``; the weights are as before afterwards. Entry [i][j] is at b = axis[i], a = axis[j]."""
    generator = torch.Generator().manual_seed(seed)
    first, second = direction(model, generator), direction(model, generator)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if name in first}
    losses = []
    for b in tqdm(axis, desc="loss slice", leave=False):
        losses.append([])
        for a in axis:
            for name, weight in model.named_parameters():
                if name in first:
                    weight.copy_(before[name] + a * first[name] + b * second[name])
            losses[-1].append(float(model(**batch).loss))
    for name, weight in model.named_parameters():
        if name in before:
            weight.copy_(before[name])
    return losses
