"""What is watched while a model learns. ``catalogue`` defines every figure; ``records`` is where they are kept."""
