"""A task from rows of one's own: files or a data set, columns, and a grader, all named in the recipe."""
