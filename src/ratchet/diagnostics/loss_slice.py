"""A true slice of the loss around a saved model, along two random directions.

Li et al. (2018), "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913: direction d is drawn from a normal
distribution, each filter d[i] of a weight is scaled to the norm of the weight's own filter w[i], and vectors (biases,
norms) are not moved; the loss is L(w + a d1 + b d2).
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from ratchet.errors import UserError
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.files import write_json
from ratchet.models import ChatFormat, chat_format, load_for_evaluation
from ratchet.recipe import Recipe, load_recipe
from ratchet.record.records import FOLDER
from ratchet.runtime import quiet

ROWS, POINTS, REACH = 16, 11, 1.0


def measure(folder: Path) -> Path:
    """Measure the slice around the model in a run's folder, on held-out targets; writes diagnostics/loss_slice.json.

    It holds the model's weights four times, in float32: as they are, a copy, and two directions.

    Raises:
        UserError: when the folder holds no saved model or no recipe.
    """
    if not _is_finished(folder):
        raise UserError(
            f"--loss-slice needs recipe.yaml and the saved model in {folder}; a run saves its model at its end"
        )
    recipe = load_recipe(folder / "recipe.yaml", environ={}, to_train=False)
    quiet()
    device = _device(recipe)
    model = load_for_evaluation(str(folder), "float32", device)
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)[:ROWS]
    batch = targets(recipe, chat_format(recipe.values, str(folder)), rows, device)
    axis = [round(-REACH + 2 * REACH * i / (POINTS - 1), 6) for i in range(POINTS)]
    losses = loss_slice(model, batch, axis, seed=0)
    target = folder / FOLDER / "loss_slice.json"
    write_json(target, {"axis": axis, "losses": losses, "rows": len(rows), "step": _step(folder), "seed": 0})
    return target


def _is_finished(folder: Path) -> bool:
    saved = (folder / "config.json").is_file() or (folder / "adapter_config.json").is_file()
    return saved and (folder / "recipe.yaml").is_file()


def _device(recipe: Recipe) -> str:
    if recipe.get("use_cpu"):
        return "cpu"
    if torch.accelerator.is_available():
        return str(torch.accelerator.current_accelerator())
    print("there is no GPU here: the loss slice is measured on the CPU, which may take long")
    return "cpu"


def _step(folder: Path) -> int | None:
    state = folder / "trainer_state.json"
    return json.loads(state.read_text(encoding="utf-8")).get("global_step") if state.is_file() else None


def targets(recipe: Recipe, chat: ChatFormat, rows: list[dict[str, Any]], device: str) -> dict[str, torch.Tensor]:
    """Prompts with their targets, (rows, tokens); labels are the target's tokens."""
    tokenizer, sequences = chat.tokenizer, [_sequence(recipe, chat, row) for row in rows]
    width = max(len(ids) for ids, _ in sequences)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    ids, mask, labels = [], [], []
    for tokens, start in sequences:
        rest = width - len(tokens)
        ids.append(tokens + [pad] * rest)
        mask.append([1] * len(tokens) + [0] * rest)
        labels.append([-100] * start + tokens[start:] + [-100] * rest)
    columns = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    return {name: torch.tensor(column, device=device) for name, column in columns.items()}


def _sequence(recipe: Recipe, chat: ChatFormat, row: dict[str, Any]) -> tuple[list[int], int]:
    """Token ids of a prompt with its target, and where the target starts."""
    ids, start = chat.sequence(recipe.task.messages(row), recipe.task.target(row))
    return ids, min(start, len(ids) - 1)


def direction(model: torch.nn.Module, generator: torch.Generator) -> dict[str, torch.Tensor]:
    """A filter-normalised random direction: one tensor for each weight that is moved."""
    moved = {}
    for name, weight in model.named_parameters():
        if weight.ndim < 2:  # biases and norms are not moved: their scale alone can make a slice look sharp or flat
            continue
        drawn = torch.randn(weight.shape, generator=generator).to(weight)
        sizes = drawn.flatten(1).norm(dim=1).clamp(min=1e-12)
        scale = weight.detach().flatten(1).norm(dim=1) / sizes
        moved[name] = drawn * scale.view(-1, *[1] * (weight.ndim - 1))
    return moved


@torch.no_grad()
def loss_slice(
    model: torch.nn.Module, batch: dict[str, torch.Tensor], axis: list[float], seed: int
) -> list[list[float]]:
    """Losses over the grid ``axis`` x ``axis``; entry [i][j] is at b = axis[i], a = axis[j].

    The weights are as before afterwards.
    """
    generator = torch.Generator().manual_seed(seed)
    first, second = direction(model, generator), direction(model, generator)
    weights = {name: weight for name, weight in model.named_parameters() if name in first}
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    losses = []
    for b in tqdm(axis, desc="loss slice", leave=False, disable=not sys.stderr.isatty()):
        losses.append([])
        for a in axis:
            for name, weight in weights.items():
                weight.copy_(before[name] + a * first[name] + b * second[name])
            losses[-1].append(float(model(**batch).loss))
    for name, weight in weights.items():
        weight.copy_(before[name])
    return losses
