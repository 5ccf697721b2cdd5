"""Ratchet: one YAML recipe, one verifiable-reward fine-tuning run on TRL."""

__version__ = "0.1.0"
