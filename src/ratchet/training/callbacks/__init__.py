"""What listens to a trainer: checkpoints, signals, alarms, progress, the curriculum."""
