"""Synthetic images in a study: whether there are any, by which tools, the sets of a proposal, and their words."""
