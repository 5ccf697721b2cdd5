"""One resolved recipe, one launch, one rendering for each place: here, Slurm, Lambda Cloud, the Hub's jobs, prime-rl. No torch, no trl."""
