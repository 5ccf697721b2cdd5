"""AQuA-RAT: word problems with five options."""
