"""Finds JSON objects in a text around which a model wrote words, in a time that is linear in the text's length.

A decoder that is tried at every brace takes quadratic time on a text of braces. Here each try is paid for from an
allowance that grows with the text.
"""

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

_ALLOWANCE = 40
"""Characters that may be read for each character of the text."""
_LONGEST_PYTHON = 20_000
_BEGINS = re.compile(r'\{\s*["}]')
_POSITION_COST = 64
"""The decoder counts the lines before an error: this many of their characters cost as much as one that is read."""


class _Allowance:
    def __init__(self, text: str) -> None:
        self.left = _ALLOWANCE * len(text) + 10_000


def decode_at(text: str, start: int) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends.

    Raises:
        ValueError: there is none.
        RecursionError: it is nested too deeply.
    """
    return json.JSONDecoder(strict=False).raw_decode(text, start)


def objects_from_the_end(text: str, end: int) -> Iterator[dict[str, Any]]:
    """Every object that begins at or before `end`, the last one first, whether or not it lies within another."""
    allowance = _Allowance(text)
    start = text.rfind("{", 0, end + 1)
    while start >= 0 and allowance.left > 0:
        found = _object_at(text, start, allowance)
        if found is not None:
            yield found[0]
        start = text.rfind("{", 0, start)


def objects_in_order(text: str) -> Iterator[dict[str, Any]]:
    """Every object that does not lie within another one, in order."""
    allowance = _Allowance(text)
    start = text.find("{")
    while start >= 0 and allowance.left > 0:
        found = _object_at(text, start, allowance)
        if found is not None:
            yield found[0]
        start = text.find("{", start + 1 if found is None else found[1])


def _object_at(text: str, start: int, allowance: _Allowance) -> tuple[dict[str, Any], int] | None:
    if not _BEGINS.match(text, start):
        return None
    try:
        value, end = decode_at(text, start)
    except json.JSONDecodeError as error:
        # An unterminated string is reported where it begins, but was read to the end.
        read = len(text) if error.msg.startswith("Unterminated") else error.pos
        allowance.left -= read - start + read // _POSITION_COST + 1
        return None
    except (ValueError, RecursionError):  # digits without end; nested too deeply
        allowance.left -= len(text) - start
        return None
    allowance.left -= end - start
    return (value, end) if isinstance(value, dict) else None


def python_object(text: str) -> dict[str, Any] | None:
    """The object that `text` holds in Python's notation ({'a': None}), which some models write instead of JSON.

    Only literals are read, and only where nothing but the object is between its first and its last brace.
    """
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start or end - start > _LONGEST_PYTHON:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that Python does not know
            value = ast.literal_eval(text[start : end + 1])
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if isinstance(value, dict) and all(isinstance(key, str) for key in value) else None
