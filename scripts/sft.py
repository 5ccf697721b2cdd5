"""SFT: teach a model a task's targets.

accelerate launch --config_file accelerate_configs/zero2.yaml scripts/sft.py recipes/aquarat/sft.yaml
python scripts/sft.py recipes/debug/sft.yaml                         # one process needs no launcher
"""

from ratchet.cli.main import sft

if __name__ == "__main__":
    sft()
