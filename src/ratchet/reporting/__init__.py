"""What people look at: figures, the report's page, the terminal."""
