"""Where a completion says something about its letter: a module per source of evidence."""
