"""A run in a terminal: over ssh, while it runs or when it has ended, with or without a GPU."""
