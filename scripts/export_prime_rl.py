"""A recipe for prime-rl's asynchronous engine: rl.toml, the commands for 2 and 8 GPUs, and what could not be carried over.

python scripts/export_prime_rl.py recipes/aquarat.yaml outputs/prime-rl
python scripts/export_prime_rl.py recipes/dakota.yaml outputs/prime-rl-dakota --older
"""

from ratchet.operations import export_prime_rl

if __name__ == "__main__":
    export_prime_rl()
