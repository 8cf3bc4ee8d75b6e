"""Pasting a subject onto a background."""
