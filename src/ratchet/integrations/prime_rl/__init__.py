"""A recipe as prime-rl's configuration files."""
