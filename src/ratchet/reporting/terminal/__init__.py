"""A run in a terminal: over ssh, while it goes on or when it has ended, with or without a GPU."""
