"""Slurm: a run as a job that resumes by itself, and what is in the queue."""
