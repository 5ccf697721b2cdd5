"""Draw a page about a run: result, curves, completions, audit, time, and how to go on.

python scripts/report.py outputs/demo
python scripts/report.py outputs/demo --compare outputs/demo-seed1 outputs/demo-seed2

The page (report.html, with report.md beside it) is one file that needs no network. It can be drawn while the run goes on.
``--output FILE.html`` writes it elsewhere; ``--loss-slice`` first measures the loss around the saved model.
"""

from ratchet.commands import report

if __name__ == "__main__":
    report()
