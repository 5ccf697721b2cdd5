"""Distillation: train a model to be what a teacher is that is told more, or is larger.

accelerate launch --config_file accelerate_configs/zero2.yaml scripts/distill.py recipes/distill/aquarat_hint.yaml
python scripts/distill.py recipes/distill/rule_cpu.yaml              # one process needs no launcher
python scripts/distill.py recipes/distill/rule_cpu.yaml --show-config
"""

from ratchet.cli.main import distill

if __name__ == "__main__":
    distill()
