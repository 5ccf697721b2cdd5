"""What a run needs, before it costs anything: memory, steps, time, money, disk, and what looks wrong.

python scripts/plan.py recipes/aquarat.yaml --config_file accelerate_configs/zero2.yaml --gpu h100
python scripts/plan.py recipes/aquarat/grpo_lora_1gpu.yaml --gpu a10 --max_completion_length 1024
python scripts/plan.py recipes/demo.yaml --measured outputs/demo                    # with an earlier run's efficiency
"""

from ratchet.operations import plan

if __name__ == "__main__":
    plan()
