"""Data sets in the user's own folders."""
