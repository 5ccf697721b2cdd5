"""Reading what a text commits to: a letter, or an answer in words."""
