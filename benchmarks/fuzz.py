"""Coverage-guided fuzzing (atheris) of everything that reads what others wrote: recipes, rows, completions.

    pip install -e ".[fuzz]"
    python benchmarks/fuzz.py --runs 20000

Any exception but a UserError is a defect, and so is an input that takes more than five seconds. Prints a table:
target, inputs tried, and what was found; crashing inputs stay in the folder that is named.
"""

import argparse
import contextlib
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPLETIONS = (
    "6 * 7 = 42\nAnswer: C",
    r"So \boxed{B}. Wait, no: the answer is D.",
    "**Answer:** (E) 3/4",
    "<answer>wikćemna nonpa</answer>",
    "A. B. C. Therefore, option C is correct",
)
ROW = {
    "id": "0",
    "question": "1 + 1?",
    "options": ["A)1", "B)2", "C)3", "D)4", "E)5"],
    "rationale": "1 + 1 = 2",
    "correct": "B",
}
DAKOTA_ROW = {
    "prompt": "Translate this Dakota sentence to English:\n\nwikćemna",
    "answer": "ten",
    "info": {
        "task_type": "word_translation",
        "rule_id": "grammar_p10_r1",
        "rule_type": "morphology",
        "dakota_text": "wikćemna",
        "difficulty": "easy",
    },
}


def seeds(target: str) -> list[bytes]:
    """What mutation begins with."""
    if target == "recipe":
        whole = [path.read_bytes() for path in sorted((ROOT / "recipes").rglob("*.yaml"))]
        return [text for text in whole if b"\nextends:" not in text]
    if target.endswith("rows"):
        row = ROW if target == "aquarat rows" else DAKOTA_ROW
        return [(json.dumps(row, ensure_ascii=False) + "\n").encode() * n for n in (1, 3)]
    return [text.encode() for text in COMPLETIONS]


def function(target: str, place: Path):
    """What is called with each input."""
    from ratchet.errors import UserError
    from ratchet.recipe import load_recipe
    from ratchet.tasks import read_written_answer
    from ratchet.tasks.aquarat.task import AquaRat
    from ratchet.tasks.dakota.task import Dakota

    file = place / {
        "recipe": "recipe.yaml",
        "aquarat rows": "dev.json",
        "dakota rows": "grammar_tasks_easy.jsonl",
    }.get(target, "unused")

    def recipe(data: bytes) -> None:
        file.write_bytes(data)
        load_recipe(file, environ={})

    def aquarat_rows(data: bytes) -> None:
        file.write_bytes(data)
        AquaRat(source=str(place)).load("validation")

    def dakota_rows(data: bytes) -> None:
        file.write_bytes(data)
        Dakota(source=str(place)).load("train")

    aqua, dakota = AquaRat(source="generated"), Dakota(source="generated")
    row, spoken = aqua.load("validation").rows[0], dakota.load("validation").rows[0]
    called = {
        "recipe": recipe,
        "aquarat rows": aquarat_rows,
        "dakota rows": dakota_rows,
        "aquarat grade": lambda data: aqua.grade(data.decode(errors="replace"), row),
        "dakota grade": lambda data: dakota.grade(data.decode(errors="replace"), spoken),
        "written answer": lambda data: read_written_answer(data.decode(errors="replace")),
    }[target]

    def one(data: bytes) -> None:
        with contextlib.suppress(UserError):
            called(data)

    return one


TARGETS = ("recipe", "aquarat rows", "dakota rows", "aquarat grade", "dakota grade", "written answer")


def fuzz(target: str, words: list[str]) -> None:
    """A child: libFuzzer's loop over one target."""
    import atheris

    with atheris.instrument_imports(include=["ratchet"]), tempfile.TemporaryDirectory() as place:
        one = function(target, Path(place))
        atheris.Setup([sys.argv[0], *words], one)
        atheris.Fuzz()


def crash(output: str) -> str:
    """The line of libFuzzer's output that names what went wrong."""
    error = re.search(r"=== Uncaught Python exception: ===\n(.*)", output)
    return (error[1] if error else output.strip().splitlines()[-1])[:200]


def main() -> int:
    """Fuzz each target in a process of its own."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--runs", type=int, default=20_000, help="inputs for each target (20,000)")
    parser.add_argument(
        "--folder", type=Path, default=Path("fuzz"), help="where corpora and crashing inputs go (fuzz/)"
    )
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    given, words = parser.parse_known_args()
    if words:
        fuzz(given.target, words)
        return 0
    well = True
    print("| target | inputs tried | found |\n|---|---|---|", flush=True)
    for target in [given.target] if given.target else TARGETS:
        corpus = given.folder / target.replace(" ", "-")
        corpus.mkdir(parents=True, exist_ok=True)
        for i, seed in enumerate(seeds(target)):
            (corpus / f"seed-{i}").write_bytes(seed)
        options = [
            f"-runs={given.runs}",
            "-timeout=5",
            "-max_len=4000",
            f"-artifact_prefix={corpus}-",
            "-verbosity=1",
            str(corpus),
        ]
        done = subprocess.run(
            [sys.executable, __file__, "--target", target, *options], capture_output=True, text=True, errors="replace"
        )
        tried = re.findall(r"^#(\d+)\t|Done (\d+) runs", done.stderr, re.MULTILINE)
        count = max((int(a or b) for a, b in tried), default=0)
        found = "nothing" if done.returncode == 0 else crash(done.stderr)
        print(f"| {target} | {count} | {found} |", flush=True)
        well &= done.returncode == 0
    return int(not well)


if __name__ == "__main__":
    raise SystemExit(main())
