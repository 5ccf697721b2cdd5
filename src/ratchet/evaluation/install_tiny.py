"""Copy a trained tiny model into the package, and write down how well it answers with and without working it out.

python -m ratchet.evaluation.install_tiny outputs/tiny-sft_4_guess          # the last step of `make tiny`
"""

import shutil
import sys
from pathlib import Path

from ratchet.errors import UserError, command
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.evaluation.statistics import Share, wilson
from ratchet.files import write_json
from ratchet.inference.completion import Generator, Sampling
from ratchet.inference.local import generator
from ratchet.models import TINY, chat_format, load_for_evaluation
from ratchet.models.load import __file__ as models_file
from ratchet.recipe import Recipe, load_recipe

FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "recipe.yaml",
)


def install(folder: Path) -> None:
    """Copy the model's files and write ``evaluation.json``: greedy and sampled, all answers and worked ones."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} has no {', '.join(missing)}; train it with `make tiny`")
    recipe = load_recipe(folder / "recipe.yaml", [("evaluation.split", "test")], environ={})
    model = load_for_evaluation(str(folder), "float32", "cpu")
    shares = _measure(recipe, generator(model, chat_format(recipe.values, str(folder))))
    target = Path(models_file).with_name("tiny")
    target.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, target / name)
    about = {"split": "test", "parameters": model.num_parameters(), "command": "make tiny", "temperature": 1.0}
    write_json(target / "evaluation.json", {**about, **{name: share.as_dict() for name, share in shares.items()}})
    for name, share in shares.items():
        print(f"{TINY}: {name:<20} {share}")


def _measure(recipe: Recipe, generate: Generator) -> dict[str, Share]:
    """Accuracy of all answers, and of those that work the problem out ("3 + 4 = 7") before they name an option.

    The tiny model was made so that it knows how to work problems out and rarely does: the demo's training makes it a
    habit, and these four figures are what that rests on.
    """
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    conversations = [recipe.task.messages(row) for row in rows]
    shares = {}
    for name, temperature in (("greedy", 0.0), ("sampled", 1.0)):
        drawn, _ = generate(conversations, Sampling(40, temperature, batch_size=250))
        right = [recipe.task.grade(c.text, row).correct for row, (c,) in zip(rows, drawn, strict=True)]
        worked = [" = " in c.text for (c,) in drawn]
        both = [r and w for r, w in zip(right, worked, strict=True)]
        shares[name] = wilson(sum(right), len(right))
        shares[f"{name}, worked out"] = wilson(sum(both), sum(worked))
    return shares


@command
def main() -> None:
    """Install the model of the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise UserError("name the folder of a trained tiny model, as in outputs/tiny-sft_4_guess")
    install(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
