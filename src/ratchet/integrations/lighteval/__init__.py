"""Evaluation by lighteval with Ratchet's tasks, in an environment of its own: lighteval 0.13 cannot share one with today's math-verify."""
