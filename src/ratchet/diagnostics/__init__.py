"""Probes inside the trainer: what is watched while a model learns. ``record`` defines every figure, and keeps them."""
