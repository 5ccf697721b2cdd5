"""Prepare: clean and split the published Dakota grammar tasks into a folder, with a report of what was dropped and why.

python scripts/prepare.py recipes/dakota.yaml --data.source Dakota1890/dakota_rl_training/datasets --output data/dakota
"""

from ratchet.commands import prepare

if __name__ == "__main__":
    prepare()
