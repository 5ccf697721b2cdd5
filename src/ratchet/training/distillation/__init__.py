"""Distillation inside GRPO's trainer: a teacher that is told more, or is larger, and what it adds to a step."""
