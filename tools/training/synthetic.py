"""Synthetic training images: a set of them on disk, and how a trial mixes it with the real ones. Light.

A set is a folder, written once and only read by trials:

    pixels.npy    uint8 (M, S, S, 3), RGB, C-order; read through a memory map
    labels.npy    int64 (M,), index into the classes
    sources.npy   int64 (M,), row of the training split that the image was made from, from 0
    set.json      {"key": hex, "image_size": S, "images": M}; anything else in it is not read

`batches.py` decides which images an epoch uses, and `tools.aga` makes them. Validation and test images never come
from here. With folds over seeds, a trial leaves out those that were made from an image that it is validated on
(`UsableImages`); what its fold adds to the training images has none.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tools.errors import DataError, ImagesGone

if TYPE_CHECKING:
    import numpy as np

_FROZEN = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

DESCRIPTION = "set.json"
PIXELS = "pixels.npy"
LABELS = "labels.npy"
SOURCES = "sources.npy"

_REMEDY = "delete the folder and make the set again"


class Mixing(BaseModel):
    """How synthetic images enter an epoch."""

    model_config = _FROZEN

    mode: Literal["extra", "replace"] = Field(
        default="extra",
        description="'extra': every synthetic image beside the real ones; 'replace': in place of its source",
    )
    probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="that a real image gives way to one of its own synthetic ones (mode 'replace')",
    )
    step_matched: bool = Field(
        default=False,
        description="as many images in an epoch as there are real ones, drawn from both (mode 'extra'), so that a "
        "gain is not merely more steps",
    )

    def decisive(self) -> dict[str, Any]:
        """The fields that training depends on in this mode, which are part of a trial's key.

        'replace' has the steps of the real images anyway; 'extra' replaces nothing.
        """
        return self.model_dump(exclude={"step_matched"} if self.mode == "replace" else {"probability"})


class Synthetic(BaseModel):
    """The synthetic images of a trial."""

    model_config = _FROZEN

    folder: Path
    """Of the set."""
    key: str = Field(pattern=r"^[0-9a-f]+$")
    """Hex; names the content of the set, wherever its folder is. Must equal the one in its set.json."""
    mixing: Mixing = Mixing()


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """An opened set. Pickled as its path, never as pixels."""

    folder: Path
    key: str
    pixels: "np.memmap"
    """uint8 (M, S, S, 3), RGB, read-only."""
    labels: "np.ndarray"
    """int64 (M,), memory-mapped."""
    sources: "np.ndarray"
    """int64 (M,), memory-mapped: rows of the training split."""

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return open_synthetic, (self.folder, self.key)

    def refuse_unless_made_for(self, training_labels: "np.ndarray", classes: int, image_size: int) -> None:
        """Refuse a set that was not made from this training split.

        Args:
            training_labels: int64 (N,), of the training split.
            classes: of the classifier.
            image_size: side of the training images in pixels.

        Raises:
            DataError: the size differs, a label or a source is out of range, or an image has another label than
                its source.
        """
        if self.pixels.shape[1] != image_size:
            raise DataError(
                f"the synthetic images in {self.folder} are {self.pixels.shape[1]} px, the training images "
                f"{image_size} px: make the set again at {image_size} px"
            )
        outside = (self.labels < 0) | (self.labels >= classes)
        if outside.any():
            row = int(outside.argmax())
            raise DataError(
                f"synthetic image {row} in {self.folder} has the label {self.labels[row]}, but the classes are "
                f"0..{classes - 1}: the set is of another data set; make one from this one's training split"
            )
        images = len(training_labels)
        outside = (self.sources < 0) | (self.sources >= images)
        if outside.any():
            row = int(outside.argmax())
            raise DataError(
                f"synthetic image {row} in {self.folder} was made from row {self.sources[row]}, but the training "
                f"split has the rows 0..{images - 1}: make the set again from this training split"
            )
        differs = training_labels[self.sources] != self.labels
        if differs.any():
            row = int(differs.argmax())
            raise DataError(
                f"synthetic image {row} in {self.folder} has the label {self.labels[row]}, its source (row "
                f"{self.sources[row]} of the training split) {training_labels[self.sources[row]]}: the set is of "
                "another split; make it again from this training split"
            )


class UsableImages:
    """The images of a set that a trial may train on: not those whose source it is validated on. Numbered from 0."""

    def __init__(self, opened: SyntheticSet, places: "np.ndarray") -> None:
        """`places` int64 (N,): where each row of the training split is among the trial's real images; -1: nowhere."""
        import numpy as np

        sources = places[np.asarray(opened.sources)]
        self._set = opened
        self.rows: np.ndarray = np.flatnonzero(sources >= 0)
        """int64 (M,): their places in the set."""
        self.sources: np.ndarray = sources[self.rows]
        """int64 (M,): places among the trial's real images."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def in_set(self) -> int:
        """Images of the whole set."""
        return len(self._set)

    @property
    def labels(self) -> "np.ndarray":
        """int64 (M,)."""
        return self._set.labels[self.rows]

    def read(self, numbers: "np.ndarray") -> "tuple[np.ndarray, np.ndarray]":
        """Pixels uint8 (B, S, S, 3) and labels int64 (B,) of these images; nothing else is read from disk."""
        rows = self.rows[numbers]
        return self._set.pixels[rows], self._set.labels[rows]


class _SetDescription(BaseModel):
    """The part of set.json that is read."""

    key: str
    image_size: int = Field(ge=1)
    images: int = Field(ge=0)


def open_synthetic(folder: Path, key: str | None = None) -> SyntheticSet:
    """Opens a set without reading its pixels.

    Args:
        folder: of the set.
        key: that the set must have; None takes any.

    Raises:
        ImagesGone: a file is missing or damaged, sizes or dtypes disagree, or the key is another.
        DataError: the set is empty.
    """
    description = _read_description(folder)
    if key is not None and description.key != key:
        raise ImagesGone(
            f"{folder} holds the synthetic images {description.key}, but the trial needs {key}: give the folder of "
            f"that set, or {_REMEDY}"
        )
    if description.images == 0:
        raise DataError(
            f"{folder} holds no synthetic images: train without them, or loosen the gates (aga.gates)"
        )
    side = description.image_size
    return SyntheticSet(
        folder,
        description.key,
        _mapped(folder / PIXELS, "uint8", (description.images, side, side, 3)),
        _mapped(folder / LABELS, "int64", (description.images,)),
        _mapped(folder / SOURCES, "int64", (description.images,)),
    )


def _read_description(folder: Path) -> _SetDescription:
    file = folder / DESCRIPTION
    try:
        return _SetDescription.model_validate_json(file.read_bytes(), strict=True)
    except FileNotFoundError as error:
        raise ImagesGone(
            f"{folder} is not a finished set of synthetic images ({DESCRIPTION} is missing): make it, or give another "
            "folder"
        ) from error
    except OSError as error:
        raise ImagesGone(
            f"{file} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = "".join(f"{part}: " for part in first["loc"])
        raise ImagesGone(f"{file} is damaged ({field}{first['msg']}): {_REMEDY}") from error


def _mapped(file: Path, dtype: str, shape: tuple[int, ...]) -> "np.memmap":
    import numpy as np

    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except FileNotFoundError as error:
        raise ImagesGone(f"{file} is missing: {_REMEDY}") from error
    except (OSError, ValueError) as error:
        raise ImagesGone(f"{file} cannot be opened ({error}): {_REMEDY}") from error
    if array.dtype != np.dtype(dtype) or array.shape != shape or not array.flags.c_contiguous:
        order = "C-order" if array.flags.c_contiguous else "Fortran order"
        raise ImagesGone(
            f"{file} holds {array.dtype} {array.shape} in {order}, but its {DESCRIPTION} says {dtype} {shape} in "
            f"C-order: {_REMEDY}"
        )
    return array


def epoch_images(real: int, synthetic: Synthetic | None) -> int:
    """Images of one epoch of a trial with `real` ones in its training split.

    Raises:
        DataError: the set of synthetic images cannot be opened.
    """
    if synthetic is None or synthetic.mixing.mode == "replace" or synthetic.mixing.step_matched:
        return real
    return real + len(open_synthetic(synthetic.folder, synthetic.key))
