"""`demo`: scans of handwritten digits that come with scikit-learn: no download, and few labels."""

from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.stored_png import stored_png
from tools.datasets.types import Dataset, Record, Split
from tools.errors import ConfigurationError, DataError

_PER_CLASS: tuple[tuple[Split, int], ...] = (("train", 10), ("validation", 20), ("test", 100))
_DISTRIBUTION = "scikit-learn"
_FILE = "sklearn/datasets/data/digits.csv.gz"
_INK = 16
"""The largest value of a pixel in the file."""

CARD = read_card(Path(__file__).with_suffix(".yaml"))


@dataclass(frozen=True)
class DigitSource:
    """PNG images made from an array of scans, so that digits are treated like any other image."""

    scans: np.ndarray
    """uint8 (N, 8, 8), 0..255."""

    def read(self, file: str) -> bytes:
        """The scan named 'digit-NUMBER', as a greyscale PNG."""
        from PIL import Image

        return stored_png(Image.fromarray(self.scans[int(file.removeprefix("digit-"))]))

    def where(self, file: str) -> str:
        """A description: there is no file."""
        return f"{file} of the digits in scikit-learn"


def open_demo(config: DataConfig) -> Dataset:
    """The digits: 100 for training, 200 for validation, 1,000 for test, the same number of each.

    Raises:
        ConfigurationError: a path is given.
        DataError: the installed scikit-learn does not have the file of digits.
    """
    if config.path is not None:
        raise ConfigurationError(
            f"the data set 'demo' comes with its own images; for those in {config.path}, leave --dataset out"
        )
    table = _read_table()
    labels = table[:, -1]
    scans = np.rint(table[:, :-1].reshape(-1, 8, 8) * (255 / _INK)).astype(np.uint8)
    records: list[Record] = []
    for label in range(len(CARD.classes)):
        generator = np.random.default_rng([config.split_seed, label])
        order = generator.permutation(np.flatnonzero(labels == label))
        start = 0
        for split, count in _PER_CLASS:
            for number in sorted(order[start : start + count].tolist()):
                name = f"digit-{number:04d}"
                records.append(Record(name, label, split, group=name))
            start += count
    return Dataset(CARD, tuple(records), DigitSource(scans))


def _read_table() -> np.ndarray:
    # Importing sklearn.datasets to read this one file takes a second or more.
    file = Path(str(distribution(_DISTRIBUTION).locate_file(_FILE)))
    if not file.is_file():
        raise DataError(
            f"the installed {_DISTRIBUTION} {distribution(_DISTRIBUTION).version} has no {_FILE}, which the demo "
            "reads: install another version, or use images of your own with --data PATH"
        )
    return np.loadtxt(file, delimiter=",", dtype=np.float64).astype(np.int64)


ENTRY = Entry(open_demo, CARD, counts=({"train": 100, "validation": 200, "test": 1000},))
