"""Lengths of time as people write and read them: '2h', '1h30m', '90 min', '45s'; a plain number is seconds. Light."""

import re
from typing import Annotated, Any

from annotated_types import Gt
from pydantic import BeforeValidator

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "min": 60.0, "s": 1.0}
_LONG = {"day": "d", "hour": "h", "hr": "h", "minute": "m", "mins": "m", "second": "s", "sec": "s"}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-z]+)\s*", re.IGNORECASE)


def parse_seconds(value: Any) -> Any:
    """Seconds of a text such as '1h30m'; anything else as it is, for pydantic to judge.

    Raises:
        ValueError: a unit that is unknown, or given twice.
    """
    if not isinstance(value, str):
        return value
    parts, place = [], 0
    while found := _PART.match(value, place):
        parts.append((float(found[1]), _unit(found[2])))
        place = found.end()
    if not parts or place < len(value):
        return value
    units = [unit for _, unit in parts]
    if None in units or len(set(units)) < len(units):
        raise ValueError("must be a time such as 2h, 1h30m, 90m or 45s, or a number of seconds")
    return sum(amount * _UNITS[unit] for amount, unit in parts if unit)


def _unit(word: str) -> str | None:
    word = word.lower()
    word = _LONG.get(word) or _LONG.get(word.removesuffix("s")) or word
    word = "m" if word == "min" else word
    return word if word in _UNITS else None


Seconds = Annotated[float, BeforeValidator(parse_seconds), Gt(0)]
"""The type of a setting that is a length of time."""


def as_flag(seconds: float) -> str:
    """As one would type it: '1h30m', '2h', '45s'; fractions of a second only below a minute."""
    if seconds < 60:
        return f"{seconds:g}s"
    rest = round(seconds)
    words = ""
    for unit in ("d", "h", "m", "s"):
        amount, rest = divmod(rest, int(_UNITS[unit]))
        words += f"{amount}{unit}" if amount else ""
    return words


def exactly(seconds: float) -> str:
    """For reading, to the second, from an hour on to the minute: '2 h 05 min', '2 h', '3 min 20 s', '45 s'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"


def about(seconds: float) -> str:
    """For an estimate, to about two digits: '34 h', '1 h 40 min', '5 min', '20 s'."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 55 * 60:
        minutes = round(seconds / 60)
        return f"{minutes if minutes < 20 else 5 * round(minutes / 5)} min"
    if seconds < 9.5 * 3600:
        hours, minutes = divmod(10 * round(seconds / 600), 60)
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    if seconds < 72 * 3600:
        return f"{round(seconds / 3600)} h"
    return f"{round(seconds / 86_400)} days"
