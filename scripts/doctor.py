"""The machine as it is: versions, GPUs, disk, ranks, logins, a vLLM server; each finding with its remedy.

python scripts/doctor.py
python scripts/doctor.py --server http://127.0.0.1:8000 --processes 8
"""

from ratchet.operations import doctor

if __name__ == "__main__":
    doctor()
