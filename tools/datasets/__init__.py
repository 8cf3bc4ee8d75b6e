"""Labelled image data sets: where they are, how they are split, and their decode-once cache."""
