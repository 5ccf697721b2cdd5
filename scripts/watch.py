"""A run in a terminal, while it goes on or when it has ended.

python scripts/watch.py outputs/aquarat
python scripts/watch.py outputs/aquarat --lines >> aquarat.txt      # step 120 | 13.0 s | reward 0.41 | 4577 tok/s | 396 tok/sample
"""

from ratchet.operations import watch

if __name__ == "__main__":
    watch()
