"""Lists of names and counts, as messages show them."""

from collections.abc import Iterable, Sequence

_NAMED = 5
"""At most this many files are named in a message; the rest are counted."""


def shortened(names: Sequence[str]) -> str:
    """The names in one line; of many, the first five and how many more."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def counts_in_words(counts: Iterable[tuple[str, int]], most: int = 8) -> str:
    """'cat 12, dog 10'; of many, the first `most` and how many more."""
    listed = [f"{name or '(empty)'} {count:,}" for name, count in counts]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most:,} more" if len(listed) > most else "")
