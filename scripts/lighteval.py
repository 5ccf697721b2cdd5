"""Evaluation by lighteval, with this project's rows, prompts and grader, beside that of scripts/evaluate.py.

python scripts/lighteval.py outputs/demo
python scripts/lighteval.py recipes/aquarat.yaml --model outputs/aquarat --tasks aquarat,aquarat_letters --data.source FOLDER

The first call makes an environment of its own for lighteval, which cannot share one with today's math-verify.
"""

from ratchet.commands import lighteval

if __name__ == "__main__":
    lighteval()
