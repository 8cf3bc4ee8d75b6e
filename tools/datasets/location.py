"""Where data sets that users download are looked for, and the error where one is not there."""

from collections.abc import Sequence
from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import tree
from tools.datasets.folder.wording import shortened
from tools.errors import DataError

DATA = Path("data")
"""Holds the data sets by name; used when no path is given."""


def data_folder(name: str, config: DataConfig) -> Path:
    """`config.path`, or data/NAME in the working directory."""
    return config.path or DATA / name


class DatasetNotFound(DataError):
    """A data set is not where it was looked for."""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(text)
        self.expected = expected
        """The layouts that are accepted, as they are printed."""


def not_found(title: str, root: Path, layouts: Sequence[Sequence[str]], download: str) -> DatasetNotFound:
    """The error for a data set that is not in `root`: what is there, which layouts are accepted, how to get it."""
    found = sorted(each.name for each in root.iterdir())[:10] if root.is_dir() else []
    state = f"which holds {', '.join(found) or 'nothing'}" if root.is_dir() else "which does not exist"
    expected = "\n  or\n".join(tree(layout) for layout in layouts)
    return DatasetNotFound(
        f"{title} was not found in {root.absolute()}, {state}.\n"
        f"Expected layout:\n{expected}\n"
        f"To get it:\n{tree(download.splitlines())}\n"
        "If it is somewhere else, use --data PATH",
        expected,
    )


def check_files(title: str, items: Sequence[Item], source: FolderSource) -> None:
    """Raise a DataError that names the images that are listed in tables but are not on disk."""
    lost = [source.where(item.file) for item in items if not source.path(item.file).is_file()]
    if lost:
        raise files_missing(title, lost, len(items))


def files_missing(title: str, lost: Sequence[str], total: int) -> DataError:
    """The error for images that are listed in tables but are not on disk."""
    return DataError(
        f"{len(lost)} of the {total} images listed in the tables of {title} are missing: {shortened(lost)}. Was the "
        "archive unpacked completely?"
    )
