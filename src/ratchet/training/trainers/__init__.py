"""TRL's trainers with Ratchet's services, one file per method."""
