"""The machine as it is: is everything here that a run needs, and if not, what to do."""
