"""The errors that are written for the person at the terminal, and the hint at a misspelt name."""

from collections.abc import Iterable


class AugurError(Exception):
    """Something the user can act on: says what happened, where, and what to do next.

    `exit_code` is what the command line ends with: 1 failed, 2 wrong usage or configuration. `resumable` says that
    nothing is lost: the study resumes from here once the cause is fixed.
    """

    exit_code = 1
    resumable = False


class ConfigurationError(AugurError):
    """A setting is unknown, out of range, or contradicts another."""

    exit_code = 2


class DataError(AugurError):
    """The data set is missing, malformed, corrupt, or leaks between its splits."""


class ImagesGone(DataError):
    """Decoded or synthetic images, which trials read, are missing or damaged. No trial is to blame.

    A study stops at it; when it is resumed, they are made again.
    """

    resumable = True


def closest(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """Those of `known` that `name` is most likely a misspelling of, the likeliest first; at most `most`."""
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=most, cutoff=cutoff)


def did_you_mean(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> str:
    """The question "did you mean 'x' or 'y'?", or the empty string where nothing known is like `name`."""
    likely = closest(name, known, most, cutoff)
    return f"did you mean {' or '.join(map(repr, likely))}?" if likely else ""


def first_line(error: BaseException, limit: int = 200) -> str:
    """The first line of an error's text, cut at `limit` characters; its type's name where it has no text."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:limit].rstrip(" .")
