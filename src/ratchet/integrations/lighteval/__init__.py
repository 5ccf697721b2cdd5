"""Evaluation by lighteval on Ratchet's tasks, in an environment of its own: it cannot share Ratchet's."""
