"""What a run writes down while it trains, and how it is read back."""
