"""One resolved recipe, one launch, one object for each place: here, Slurm, Lambda Cloud, the Hub's jobs. No torch."""
