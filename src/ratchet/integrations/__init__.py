"""What other programs evaluate and train with, on this project's tasks and graders: lighteval, verifiers, prime-rl."""
