"""Copy a trained tiny model into the package and write down what it can do, with and without working.

python -m ratchet.evaluation.install_tiny outputs/tiny-3_guess          # the last step of `make tiny`
"""

import shutil
import sys
from pathlib import Path

from ratchet.errors import UserError, command
from ratchet.evaluation.evaluate import rows_to_evaluate
from ratchet.evaluation.statistics import wilson
from ratchet.files import write_json
from ratchet.inference.completion import Sampling
from ratchet.inference.local import generator
from ratchet.models import TINY, load_for_evaluation, load_tokenizer
from ratchet.models.load import __file__ as models_file
from ratchet.recipe import load_recipe

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
    """Copy the model's files and write ``evaluation.json``: greedy and sampled accuracy, and that of worked answers."""
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} has no {', '.join(missing)}; train it with `make tiny`")
    recipe = load_recipe(folder / "recipe.yaml", [("evaluation.split", "test")], environ={})
    tokenizer, model = load_tokenizer(str(folder)), load_for_evaluation(str(folder), "float32", "cpu")
    rows = rows_to_evaluate(recipe.task, recipe.evaluation)
    generate, found = generator(model, tokenizer), {}
    for name, temperature in (("greedy", 0.0), ("sampled", 1.0)):
        drawn, _ = generate([recipe.task.messages(row) for row in rows], Sampling(40, temperature, batch_size=250))
        right = [recipe.task.grade(c.text, row).correct for row, (c,) in zip(rows, drawn, strict=True)]
        worked = [" = " in c.text for (c,) in drawn]
        found[name] = wilson(sum(right), len(right)).as_dict()
        found[f"{name}, worked out"] = wilson(
            sum(r and w for r, w in zip(right, worked, strict=True)), sum(worked)
        ).as_dict()
    target = Path(models_file).with_name("tiny")
    target.mkdir(exist_ok=True)
    for name in FILES:
        shutil.copyfile(folder / name, target / name)
    write_json(
        target / "evaluation.json",
        {"split": "test", "parameters": model.num_parameters(), "command": "make tiny", "temperature": 1.0, **found},
    )
    for name, share in found.items():
        print(
            f"{TINY}: {name:<20} {share['accuracy']:.3f} [{share['low']:.3f}, {share['high']:.3f}] (n = {share['n']})"
        )


@command
def main() -> None:
    """Install the model of the folder that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise UserError("name the folder of a trained tiny model, as in outputs/tiny-3_guess")
    install(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
