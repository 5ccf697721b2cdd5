"""Publish a run on the Hub: every checkpoint as a revision of its own (step-000100), the trained model on main.

python scripts/push.py outputs/aquarat --dry-run                     # exactly what would be pushed, and nothing is
python scripts/push.py outputs/aquarat --repo OWNER/NAME

A recipe with ``push_to_hub: true`` does this while it trains. Optimisers, data and completions stay at home.
"""

from ratchet.commands import push

if __name__ == "__main__":
    push()
