"""Hurt training runs, let them go on, and compare: fault, times injected, resumed, numbers identical, seconds lost.

python scripts/torture.py /tmp/torture
python scripts/torture.py /tmp/torture --kills 5 --rounds 2 --processes 1
"""

from ratchet.commands import torture

if __name__ == "__main__":
    torture()
