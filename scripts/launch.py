"""Start a recipe here, on Slurm, on Lambda Cloud, or as a job on the Hub.

python scripts/launch.py recipes/aquarat.yaml --on local
python scripts/launch.py recipes/aquarat.yaml --on slurm --config_file accelerate_configs/zero3_2nodes.yaml --time 12:00:00 --dry-run
python scripts/launch.py recipes/aquarat/grpo_lora_1gpu.yaml --on lambda --max-price 3.5 --max-hours 6
python scripts/launch.py recipes/aquarat/grpo_lora_1gpu.yaml --on hf-jobs --flavor a100-large --timeout 3h
"""

from ratchet.operations import launch

if __name__ == "__main__":
    launch()
