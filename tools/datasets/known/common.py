"""What the data sets that users download themselves have in common: where they are looked for, and what is said
where they are not found."""

from collections.abc import Sequence
from pathlib import Path

from tools.datasets.assemble import Item
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import tree
from tools.errors import ConfigurationError, DataError

_NAMED = 5

DATA = Path("data")
"""Where a data set is looked for, by its name, when no path is given."""


def place_of(name: str, config: DataConfig) -> Path:
    """`config.path`, or data/NAME in the working directory."""
    return config.path or DATA / name


def check_variant(name: str, config: DataConfig, known: Sequence[str]) -> None:
    """Raise a ConfigurationError where the data set `name` was not published in the variant that is asked for."""
    if config.variant is None or config.variant in known:
        return
    choice = f"known are {', '.join(known)}" if known else "it has only one"
    raise ConfigurationError(
        f"data.variant: there is no variant {config.variant!r} of {name}: {choice}. Without data.variant its usual "
        "splits are used."
    )


class Missing(DataError):
    """A data set is not where it was looked for."""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(text)
        self.expected = expected
        """The layouts that are known, as they are printed."""


def missing(title: str, root: Path, layouts: Sequence[Sequence[str]], download: str) -> Missing:
    """The error for a data set that is not where it should be: where, in which layouts, and how to get it."""
    found = sorted(each.name for each in root.iterdir())[:10] if root.is_dir() else []
    state = f"which holds {', '.join(found) or 'nothing'}" if root.is_dir() else "which does not exist"
    expected = "\n  or\n".join(tree(layout) for layout in layouts)
    return Missing(
        f"{title} was not found in {root.absolute()}, {state}.\n"
        f"Expected there:\n{expected}\n"
        f"To get it:\n{tree(download.splitlines())}\n"
        "Or say where it is: --data PATH",
        expected,
    )


def check_files(title: str, items: Sequence[Item], source: FolderSource) -> None:
    """Raise a DataError that names the images that tables list, but that are not on disk."""
    lost = [source.where(item.file) for item in items if not source.path(item.file).is_file()]
    if lost:
        more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
        raise DataError(
            f"{len(lost)} of {len(items)} images that the tables of {title} list are missing: "
            f"{', '.join(lost[:_NAMED])}{more}. Is the archive unpacked completely?"
        )
