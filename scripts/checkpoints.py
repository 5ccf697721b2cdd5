"""A run's checkpoints.

python scripts/checkpoints.py list outputs/aquarat
python scripts/checkpoints.py verify outputs/aquarat
python scripts/checkpoints.py prune outputs/aquarat --keep 2 --keep-every 1000
"""

from ratchet.commands import checkpoints

if __name__ == "__main__":
    checkpoints()
