"""Augmentation policies: the table of operations, and what is made from it."""
