"""One program: ``ratchet VERB ...``, also as ``python -m ratchet VERB ...``; see ``verbs`` for what it can do."""
