"""One page about a run: ``facts`` gathers what it says, ``page`` and ``twin`` write it as HTML and as Markdown."""
