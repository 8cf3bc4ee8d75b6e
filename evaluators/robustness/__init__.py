"""What becomes of a classifier where images differ from those it was trained on: corruptions, other backgrounds."""
