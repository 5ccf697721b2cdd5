"""Put a trained tiny model into the package, with what it can do: the last step of `make tiny`.

python scripts/install_tiny.py outputs/tiny-3_guess
"""

from ratchet.commands import install_tiny

if __name__ == "__main__":
    install_tiny()
