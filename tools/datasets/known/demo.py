"""`demo`: scans of handwritten digits that scikit-learn carries with it; needs no download, and few labels."""

import io
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from tools.datasets.config import DataConfig
from tools.datasets.types import Card, Dataset, Entry, Record, Split
from tools.errors import ConfigurationError, DataError

_PER_CLASS: tuple[tuple[Split, int], ...] = (("train", 10), ("validation", 20), ("test", 100))
_DISTRIBUTION = "scikit-learn"
_FILE = "sklearn/datasets/data/digits.csv.gz"
_INK = 16
"""The largest value of a pixel in the file."""

CARD = Card(
    name="demo",
    title="Handwritten digits, few labels",
    modality="digits",
    description=(
        "Scans of single handwritten digits, 0 to 9, reduced to 8 x 8 pixels with 17 levels of grey (white ink on "
        "black), enlarged to the training size. The label is the digit. 1,797 scans exist; to make labels scarce, 10 "
        "of each digit are for training, 20 for validation and 100 for test, drawn at random by the split seed, and "
        "the other 497 are not used. What decides the label is the shape of the stroke and its orientation: flips, "
        "rotations beyond about 20 degrees and inversion change or destroy it (6 and 9, 2 and 5, 1 and 7); strong "
        "erasing or blur leaves too little of so few pixels. Small shifts, small rotations, shears, scaling and "
        "elastic warps imitate other hands and keep the label."
    ),
    classes=tuple("0123456789"),
    metric="validation_accuracy",
    image_size=32,
    licence="CC BY 4.0",
    citation=(
        "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository, 1998. "
        "https://doi.org/10.24432/C50P49 (its test part, as distributed with scikit-learn)"
    ),
    download="nothing to download: it comes with scikit-learn",
    warnings=("who wrote which digit is not published: digits of one hand may be in different splits",),
)


@dataclass(frozen=True)
class DigitSource:
    """PNG images made from an array of scans, so that digits take the same way as any other image."""

    scans: np.ndarray
    """uint8 (N, 8, 8), 0..255."""

    def read(self, file: str) -> bytes:
        """The scan named 'digit-NUMBER', as a greyscale PNG."""
        from PIL import Image

        encoded = io.BytesIO()
        # Stored, not compressed: the bytes, and so the fingerprint, must not depend on the version of zlib.
        Image.fromarray(self.scans[int(file.removeprefix("digit-"))]).save(encoded, "PNG", compress_level=0)
        return encoded.getvalue()

    def where(self, file: str) -> str:
        """A description: there is no file."""
        return f"{file} of the digits in scikit-learn"


def open_demo(config: DataConfig) -> Dataset:
    """The digits: 100 for training, 200 for validation, 1,000 for test, the same number of each.

    Raises:
        ConfigurationError: a path is given.
        DataError: the installed scikit-learn does not carry the digits where it is known to.
    """
    if config.path is not None:
        raise ConfigurationError(
            f"the data set 'demo' brings its own images; for those in {config.path}, use --dataset folder"
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
