"""Evaluation: accuracy, pass@k, intervals and baselines of a model or checkpoint on a recipe's task.

python scripts/evaluate.py recipes/demo.yaml --model outputs/demo --split test
python scripts/evaluate.py recipes/demo.yaml --model outputs/demo --compare ratchet-tiny --evaluation.samples 8
accelerate launch --config_file accelerate_configs/ddp.yaml scripts/evaluate.py recipes/aquarat.yaml --model outputs/aquarat
"""

from ratchet.commands import evaluate

if __name__ == "__main__":
    evaluate()
