"""Every evaluated checkpoint of a project in one table, with n, interval, baseline and command.

python scripts/results.py                      # all below outputs/
python scripts/results.py outputs/demo outputs/evaluations --json results.json
"""

from ratchet.commands import results

if __name__ == "__main__":
    results()
