"""A step that every image goes through before anything else: `data.always`, a transform of the user's own.

It is applied to each image as it is stored, at its own size, before it is resized: in training, validation and test,
for all contenders alike, and in the images that new backgrounds are made of. It must always do the same to an image.
"""

import hashlib
import io
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tools.datasets.cache.decode import UnreadableImage, open_rgb
from tools.datasets.types import Dataset, Source
from tools.errors import ConfigurationError, DataError, first_line
from tools.from_file import load, parts, pinned, short_name

if TYPE_CHECKING:
    import PIL.Image

SETTING = "data.always"
_TRIES = 8
_SIDES = (64, 48)
"""Of the noise that it is tried on."""
_NO_DRAFT = 1_000_000
"""A side that no image has: nothing is scaled down in its decoder."""


@dataclass(frozen=True)
class AlwaysSource:
    """Another source's images after the step, as PNG. Picklable: each process loads the step itself."""

    inner: Source
    step: str
    """As `tools.from_file.pinned` gives it."""
    max_pixels: int

    def read(self, file: str) -> bytes:
        """The image after the step.

        Raises:
            DataError: the step fails.
            OSError: as the inner source raises it.
        """
        return self.after(self.inner.read(file), file)

    def after(self, data: bytes, file: str) -> bytes:
        """`data` of `file` after the step; what cannot be decoded stays as it is, for decoding to say why.

        Raises:
            DataError: the step fails.
        """
        try:
            image = open_rgb(data, _NO_DRAFT, self.max_pixels)[0]
        except UnreadableImage:
            return data
        try:
            made = _run(self.step, image)
        except ConfigurationError:
            raise
        except Exception as error:  # whatever a user's code raises
            raise DataError(
                f"{short_name(self.step)} ({SETTING}) failed on {self.where(file)}: {type(error).__name__}: "
                f"{first_line(error)}"
            ) from error
        stream = io.BytesIO()
        made.save(stream, "PNG", compress_level=1)
        return stream.getvalue()

    def where(self, file: str) -> str:
        """As the inner source names it."""
        return self.inner.where(file)

    def content(self, sha256: bytes) -> bytes:
        """SHA-256 that stands for an image after the step, from that of its bytes before it."""
        return hashlib.sha256(sha256 + parts(self.step)[1].encode()).digest()


def with_always(dataset: Dataset, step: str, max_pixels: int) -> Dataset:
    """The data set whose images have gone through `step` ('path/to/file.py:name').

    Boxes and masks that come with it do not fit any longer, and are left out.

    Raises:
        ConfigurationError: the step cannot be loaded or run, or is random.
    """
    step = pinned(step)
    _check(step)
    told = f"{dataset.card.description} Every image has gone through a fixed preprocessing step of the user's first."
    return replace(
        dataset,
        card=replace(dataset.card, description=told),
        source=AlwaysSource(dataset.source, step, max_pixels),
        boxes={},
        masks={},
        notes=(
            *dataset.notes,
            f"{short_name(step)} is applied to every image, in training and evaluation alike",
        ),
    )


@lru_cache(maxsize=4)
def _check(step: str) -> None:
    """Try the step on noise: it must run, and do the same each time."""
    import numpy as np
    import PIL.Image

    for seed in range(_TRIES):
        noise = np.random.default_rng(seed).integers(0, 256, (*_SIDES, 3), dtype=np.uint8)
        try:
            once, again = (_run(step, PIL.Image.fromarray(noise), number) for number in (seed, seed + 1))
        except ConfigurationError:
            raise
        except Exception as error:  # whatever a user's code raises
            raise ConfigurationError(
                f"{SETTING}: {short_name(step)} failed on an image of {_SIDES[1]} × {_SIDES[0]} pixels: "
                f"{type(error).__name__}: {first_line(error)}"
            ) from error
        if once.size != again.size or not np.array_equal(np.asarray(once), np.asarray(again)):
            raise ConfigurationError(
                f"{SETTING}: {short_name(step)} is random: it made two different images of one. What every image goes "
                "through, in evaluation too, must always do the same: leave random steps to the policies "
                "(search.baselines, search.default)"
            )


def _run(step: str, image: "PIL.Image.Image", seed: int = 0) -> "PIL.Image.Image":
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _loaded(step)(image)


@lru_cache(maxsize=4)
def _loaded(step: str) -> Any:
    from tools.adapted_transform import AdaptedTransform

    reference, digest = parts(step)
    return AdaptedTransform(load(reference, SETTING, digest), short_name(step), keeps_size=False)
