"""The loader of user's code, where training looks for it; it is on the ground floor, because policies need it too."""

from tools.from_file import absolute, is_reference, load, own_files, source_digest, sources

__all__ = ["absolute", "is_reference", "load", "own_files", "source_digest", "sources"]
