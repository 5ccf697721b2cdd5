"""Dakota grammar: exercises from a grammar book, and forms that the grammar states."""
