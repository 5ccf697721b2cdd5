"""Lambda Cloud: one instance for one run, found again by its name, and always ended through the API."""
