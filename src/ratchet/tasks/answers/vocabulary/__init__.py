"""The phrases by which an answer is recognised, apart from the code that reads with them."""
