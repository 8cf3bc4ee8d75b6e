"""Paths within settings, made absolute: what a person gives in one folder is read in another, by a service or later."""

from pathlib import Path
from typing import Any

from agent.settings.table import settings
from tools.from_file import absolute, is_reference

_FILE_OR_NAME = (
    "model.weights",
    "aga.detector.checkpoint",
    "aga.segmenter.checkpoint",
    "aga.background.model",
    "aga.background.vae",
    "aga.background.lora",
    "aga.gates.clip",
)
"""A file or folder where there is one of that name, else a name on the hub, or a word."""
_OF_DATA = ("data.labels", "data.shifts")
"""Texts that hold a path."""


def make_absolute(tree: dict[str, Any], *, kept: bool = False) -> None:
    """Make the relative paths in a tree of settings absolute, in place; it may lack settings, and be without defaults.

    A relative table of labels is looked for in the data's folder first, as when it is read.

    Args:
        tree: settings, as JSON has them.
        kept: whether the tree is what a study keeps of its own settings: where its runs are may change, and names of
            models stay as they are, since synthetic images are found again by them.
    """
    data = tree.get("data", {}).get("path")
    for key, setting in settings().items():
        if kept and (key == "runs_dir" or (setting.metavar != "PATH" and key not in _OF_DATA)):
            continue
        *sections, name = key.split(".")
        branch: Any = tree
        for section in sections:
            branch = branch.get(section, {})
        value = branch.get(name)
        if isinstance(value, list):
            branch[name] = [_whole(key, item) if isinstance(item, str) else item for item in value]
        elif key == "data.labels" and value is not None:
            branch[name] = _whole_table(value, Path(data or ""))
        elif isinstance(value, str):
            branch[name] = _absolute(value) if setting.metavar == "PATH" else _whole(key, value)


def _whole(key: str, text: str) -> str:
    name, equals, path = text.partition("=")
    if key == "data.shifts" and equals:
        return f"{name}={_absolute(path.strip())}"
    if key in _FILE_OR_NAME and Path(text).exists():
        return _absolute(text)
    place = text.rpartition(":")[0]
    return absolute(text) if is_reference(text) and place.endswith(".py") else text


def _whole_table(text: str, root: Path) -> str:
    """FILE:ID:LABEL[:GROUP] with the whole path of FILE, where that is in the working directory."""
    parts = text.split(":")
    for count in range(len(parts), 0, -1):
        name = ":".join(parts[:count])
        if (root / name).is_file() and root != Path():
            return text
        if Path(name).is_file():
            return ":".join([_absolute(name), *parts[count:]])
    return text


def _absolute(path: str) -> str:
    return str(Path(path).absolute())
