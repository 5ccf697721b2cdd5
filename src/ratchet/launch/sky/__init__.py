"""SkyPilot: a run as a task for clouds that have no launcher of their own here."""
