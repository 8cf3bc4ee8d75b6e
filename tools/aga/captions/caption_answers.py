"""Reads captions from the answer of a chat model, which should be a JSON list and often nearly is.

Accepted, also with words or a code fence around it: a list of objects with number and caption, the objects one after
another, the list within an object, an object from number to caption, and a list of plain texts if it has as many as
were asked for. Of a list that breaks off, the complete objects count.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from tools.text import one_line

_MOST_STARTS = 200
"""Places in an answer at which JSON is searched for."""


class _Numbered(BaseModel):
    number: int = Field(validation_alias=AliasChoices("number", "no", "id", "index"))
    caption: str = Field(validation_alias=AliasChoices("caption", "text", "description"))


def read_answer(answer: str, count: int) -> tuple[dict[int, str], str]:
    """The captions that were found by their number, 1 to `count`, and the reason why any other is missing.

    Of two with the same number the first counts. Blank captions are ignored.
    """
    if not answer.strip():
        return {}, "the answer was empty"
    values = list(_json_values(answer))
    found: dict[int, str] = {}
    for number, caption in _numbered(values, count):
        text = one_line(caption).strip("\"“”' ")
        if 1 <= number <= count and any(character.isalpha() for character in text):
            found.setdefault(number, text)
    if found:
        return found, "the answer had no caption with its number"
    return (
        {},
        "the answer had no JSON list of captions with their numbers" if values else "the answer was not JSON",
    )


def _numbered(values: list[Any], count: int) -> Iterator[tuple[int, str]]:
    for value in values:
        if isinstance(value, list) and len(value) == count and all(isinstance(item, str) for item in value):
            yield from enumerate(value, start=1)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    yield from _from_object(item, count)
        else:
            yield from _from_object(value, count)


def _from_object(value: dict[str, Any], count: int) -> Iterator[tuple[int, str]]:
    try:
        item = _Numbered.model_validate(value)
    except ValidationError:
        for name, inner in value.items():
            if isinstance(inner, list):
                yield from _numbered([inner], count)
            elif isinstance(inner, str) and re.fullmatch(r"\s*\d{1,6}\s*", name):
                yield int(name), inner
    else:
        yield item.number, item.caption


def _json_values(text: str) -> Iterator[Any]:
    """Lists and objects in `text`, in order; of one that breaks off or is malformed, those within it."""
    decoder = json.JSONDecoder(strict=False)
    position = 0
    for _ in range(_MOST_STARTS):
        starts = [at for bracket in "[{" if (at := text.find(bracket, position)) >= 0]
        if not starts:
            return
        start = min(starts)
        try:
            value, position = decoder.raw_decode(text, start)
            yield value
        except (ValueError, RecursionError):
            position = start + 1
