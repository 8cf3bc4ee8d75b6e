"""Whether a data set is on this machine, found out by opening it; no image is decoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.datasets.config import DataConfig
from tools.datasets.known.common import Missing, place_of
from tools.datasets.registry import open_published
from tools.datasets.types import Dataset
from tools.errors import DataError

State = Literal["present", "absent", "damaged"]


@dataclass(frozen=True)
class Presence:
    """What became of opening a data set where it is looked for."""

    name: str
    place: Path
    """Where it is looked for; data sets that bring their own images have nothing there."""
    dataset: Dataset | None
    error: DataError | None = None
    """Why it could not be opened."""

    @property
    def reason(self) -> str:
        """The error in words; '' where it was opened."""
        return "" if self.error is None else str(self.error)

    @property
    def expected(self) -> str:
        """The layouts that are known, as they are printed, where it was not found; else ''."""
        return self.error.expected if isinstance(self.error, Missing) else ""

    @property
    def state(self) -> State:
        """`damaged`: something is there, but not this data set as it should be."""
        if self.dataset is not None:
            return "present"
        return "damaged" if occupied(self.place) else "absent"


def look_for(name: str, path: Path | None = None) -> Presence:
    """Open the data set `name` at `path`, or where it is looked for without one.

    Raises:
        ConfigurationError: there is no data set of that name, or it does not go with the path.
    """
    config = DataConfig(dataset=name, path=path)
    # The sets of a collection share a folder, which says nothing of one of them.
    place = place_of(name.partition(":")[0], config)
    try:
        return Presence(name, place, open_published(config))
    except DataError as error:
        return Presence(name, place, None, error)


def occupied(place: Path) -> bool:
    """Whether anything is there that a download could spoil."""
    return place.is_file() or (place.is_dir() and any(place.iterdir()))
