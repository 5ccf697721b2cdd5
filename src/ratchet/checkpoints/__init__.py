"""Checkpoints on disk: whole or not there at all, what each was made from, which one a run resumes from. No torch."""
