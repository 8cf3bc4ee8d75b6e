"""Procedural backgrounds that follow the words of a caption: `reading` reads it, `maker` draws it."""
