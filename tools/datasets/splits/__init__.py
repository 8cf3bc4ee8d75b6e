"""Which image is in which split, and guarding that no image is in two."""
