"""Lambda Cloud: one instance for one run, found again by its name, and ended through the API whatever happens."""
