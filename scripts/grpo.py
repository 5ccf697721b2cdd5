"""GRPO: train a model on a task's rewards.

accelerate launch --config_file accelerate_configs/zero2.yaml scripts/grpo.py recipes/aquarat.yaml
python scripts/grpo.py recipes/demo.yaml --learning_rate 1e-4        # one process needs no launcher
python scripts/grpo.py recipes/demo.yaml --show-config               # every value and where it comes from
"""

from ratchet.cli.main import grpo

if __name__ == "__main__":
    grpo()
