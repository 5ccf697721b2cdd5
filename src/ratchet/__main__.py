"""``python -m ratchet VERB ...``."""

from ratchet.cli.main import main

if __name__ == "__main__":
    main()
