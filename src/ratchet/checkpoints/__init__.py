"""Checkpoints on disk: whole or not there at all, what each was made from, and which one a run goes on from. Imports no torch."""
