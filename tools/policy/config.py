"""Lists of policies as a setting. Light: imports nothing of the catalogue."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from tools.lists import bracketed

_LENGTH = re.compile(r"\s*[\d,]+ epochs?\s*(,|$)")


def split_policies(text: str) -> list[str]:
    """The policies of a list that is written in one line: separated by commas, except within parentheses.

    Nor does the comma separate in the name of what a study tried at another length: 'study:NAME:default, 15 epochs'.
    """
    return [" ".join(part.split()) for part in _parts(text) if part.strip()]


def _parts(text: str) -> Iterator[str]:
    depth, begun = 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0 and not _LENGTH.match(text, place + 1):
            yield text[begun:place]
            begun = place + 1
    yield text[begun:]


def _split(value: Any) -> Any:
    """A line, a list in brackets, or a list whose items a parser of flags may have cut at commas within parentheses."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = bracketed(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(item.strip() for item in value)
    return split_policies(value) if isinstance(value, str) else value


Policies = Annotated[list[str], BeforeValidator(_split)]
"""Policies as a person writes them (`named.py`), in a line with commas between them or as a list."""
