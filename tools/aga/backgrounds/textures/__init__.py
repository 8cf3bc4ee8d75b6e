"""Procedural backgrounds: no weights needed."""
