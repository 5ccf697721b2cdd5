"""The Hub: what of a run is published, where it goes, the model card, and the way back."""
