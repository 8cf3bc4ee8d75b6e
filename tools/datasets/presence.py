"""Whether a data set is on this machine: it is opened, but no image is decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.datasets.config import DataConfig
from tools.datasets.location import DatasetNotFound, data_folder
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import DataError

PresenceState = Literal["present", "absent", "damaged"]


@dataclass(frozen=True)
class Presence:
    """The result of opening a data set where it is expected."""

    name: str
    place: Path
    """Where it is expected; a data set that comes with its own images has nothing there."""
    dataset: Dataset | None
    error: DataError | None = None
    """Why it could not be opened."""

    @property
    def reason(self) -> str:
        """The text of the error; '' where it was opened."""
        return "" if self.error is None else str(self.error)

    @property
    def expected(self) -> str:
        """The layouts that are accepted, as they are printed, where it was not found; else ''."""
        return self.error.expected if isinstance(self.error, DatasetNotFound) else ""

    @property
    def state(self) -> PresenceState:
        """`damaged`: something is there, but it does not open as this data set."""
        if self.dataset is not None:
            return "present"
        return "damaged" if is_occupied(self.place) else "absent"


def find_dataset(name: str, path: Path | None = None, how: DataConfig | None = None) -> Presence:
    """Open the data set `name` at `path`, or at its usual place where no path is given.

    Args:
        name: of a data set.
        path: where it is.
        how: further settings, which say how a folder is read.

    Raises:
        ConfigurationError: there is no data set of that name, or it does not accept a path.
    """
    config = (how or DataConfig()).model_copy(update={"dataset": name, "path": path})
    # The sets of a collection share a folder, so its content says nothing about any one of them.
    place = data_folder(name.partition(":")[0], config)
    try:
        return Presence(name, place, open_published(config))
    except DataError as error:
        return Presence(name, place, None, error)


def is_occupied(place: Path) -> bool:
    """Whether anything is there that a download could overwrite."""
    return place.is_file() or (place.is_dir() and any(place.iterdir()))
