"""Evaluation: accuracy, pass@k, intervals and baselines of a model or checkpoint on a recipe's task.

python scripts/evaluate.py recipes/demo.yaml --model outputs/demo --split test
python scripts/evaluate.py recipes/demo.yaml --model outputs/demo --compare ratchet-tiny --evaluation.samples 8
python scripts/evaluate.py recipes/aquarat.yaml --server http://127.0.0.1:8000/v1 --model Qwen/Qwen3-0.6B
accelerate launch --config_file accelerate_configs/ddp.yaml scripts/evaluate.py recipes/aquarat.yaml --model outputs/aquarat
"""

from ratchet.commands import evaluate

if __name__ == "__main__":
    evaluate()
