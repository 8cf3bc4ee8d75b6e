"""Making a set of synthetic images from a training split, step by step: `set_maker.py` has the order."""
