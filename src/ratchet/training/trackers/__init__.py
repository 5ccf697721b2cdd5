"""Where a run's figures are sent: W&B, Trackio, TensorBoard."""
