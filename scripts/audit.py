"""Audit: can a recipe's reward be won without knowing anything? No model, no GPU, seconds.

python scripts/audit.py recipes/demo.yaml
python scripts/audit.py recipes/aquarat.yaml --data.source FOLDER --split validation --html audit.html
python scripts/audit.py recipes/aquarat.yaml --reward docs/legacy/rewards.py:nanochat_aquarat --plain
"""

from ratchet.commands import audit

if __name__ == "__main__":
    audit()
