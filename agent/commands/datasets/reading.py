"""The flags that say how a folder of one's own is read, for commands that read no other setting of a study."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from agent.settings.arguments import FlagParser
from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from tools.datasets.config import DataConfig

_KEYS = ("layout", "labels", "exclude", "similar_labels", "missing_labels")


def add_reading_flags(parser: FlagParser) -> None:
    """The flags of the settings `data.layout`, `data.labels`, …, with the names that messages give them."""
    for key, metavar, text in (
        ("layout", "LEVELS", "what the levels of folders mean, such as split/class or group/class"),
        ("labels", "FILE:ID:LABEL", "a table of labels"),
        ("exclude", "NAME,…", "folders that are not used"),
        ("similar_labels", "WHAT", "stop, merge or keep: spellings of one class"),
        ("missing_labels", "WHAT", "stop, drop or keep: images without a label"),
    ):
        parser.add_argument(f"--data.{key}", dest=key, metavar=metavar, help=text)


def reading_config(options: argparse.Namespace, dataset: str | None, path: Path | None) -> "DataConfig":
    """The settings of a data set, with those of the flags.

    Raises:
        ConfigurationError: a flag has a bad value.
    """
    from pydantic import ValidationError

    from tools.datasets.config import DataConfig

    given = {key: value for key in _KEYS if (value := getattr(options, key)) is not None}
    try:
        return DataConfig.model_validate({"dataset": dataset, "path": path, **given})
    except ValidationError as error:
        first = error.errors()[0]
        key = f"--data.{first['loc'][0]}: " if first["loc"] else ""
        raise ConfigurationError(f"{key}{first.get('ctx', {}).get('error', first['msg'])}") from error
