"""All that is unclear about how a folder is read, not only the first thing: each error is noted, and a way on is tried.

An error about a folder names the flags that settle it. The first of them that leads further is assumed, so that what
is unclear behind it is found as well; nothing that was assumed is kept.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from tools.datasets.config import DataConfig
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import DataError

_FLAG = re.compile(
    r"--data\.(layout|labels|exclude|similar_labels|missing_labels|companions) +('[^'\n]+'|[^\s,;]+)"
)
_MOST = 20
"""Flags that are tried for one error. (FOLDER and COLUMN stand for names that only the user knows.)"""


@dataclass(frozen=True)
class Doubt:
    """One thing that is unclear."""

    text: str
    """With the flags that settle it."""
    assumed: str
    """The flag that was assumed to look further; empty where none leads on."""
    others: tuple[str, ...]
    """What the other flags would lead to, where that is unclear too."""


@dataclass(frozen=True)
class Opened:
    """A data set, and what had to be assumed to open it."""

    published: Dataset
    config: DataConfig
    """With the assumptions."""
    doubts: tuple[Doubt, ...]


def open_with_doubts(config: DataConfig) -> Opened:
    """The data set as `open_published` opens it, with a way through everything that is unclear.

    Raises:
        ConfigurationError: there is no data set of that name.
        DataError: no flag leads on; the text has everything that was found.
    """
    doubts: list[Doubt] = []
    errors: list[DataError] = []
    while True:
        try:
            return Opened(open_published(config), config, tuple(doubts))
        except DataError as error:
            errors.append(error)
        ways = [(flag, changed, _error(changed)) for flag, changed in _flags(str(errors[-1]), config)]
        seen = {str(each) for each in errors}
        onward = [way for way in ways if str(way[2]) not in seen]
        chosen = next(iter(onward), None)  # messages name the likeliest first
        if chosen is None:
            raise errors[0] if len(errors) == 1 else DataError("\n\n".join(map(str, errors))) from errors[-1]
        others = [
            f"with {flag}: {str(led).splitlines()[0]}"
            for flag, _, led in onward
            if led is not None and str(led) != str(chosen[2])  # which comes next anyway
        ]
        doubts.append(Doubt(str(errors[-1]), chosen[0], tuple(others)))
        config = chosen[1]


def _error(config: DataConfig) -> DataError | None:
    try:
        open_published(config)
    except DataError as error:
        return error
    return None


def _flags(text: str, config: DataConfig) -> Iterator[tuple[str, DataConfig]]:
    """The flags that an error names, each with the settings that have it, as far as these are valid."""
    tried: set[str] = set()
    for found in _FLAG.finditer(text):
        key, value = found[1], shlex.split(found[2].rstrip(".:)"))[0]
        flag = f"--data.{key} {shlex.quote(value)}"
        if flag in tried or len(tried) == _MOST or value == "FOLDER" or "COLUMN" in value:
            continue
        tried.add(flag)
        settled = [*config.exclude, value] if key == "exclude" else value
        try:
            yield flag, DataConfig.model_validate({**config.model_dump(), key: settled})
        except ValidationError:
            continue
