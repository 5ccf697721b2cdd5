"""One page about a run: ``facts`` gathers what it says, ``html`` and ``markdown`` put it into words and tables."""
