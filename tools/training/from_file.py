"""The loader of user's code, where training looks for it; it is on the ground floor, because policies need it too."""

from tools.from_file import absolute, is_reference, load, source_digest

__all__ = ["absolute", "is_reference", "load", "source_digest"]
