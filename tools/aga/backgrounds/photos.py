"""Backgrounds cropped from the user's own photos, chosen by the words in the names of files and folders."""

import hashlib
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from tools.aga.backgrounds.photo_words import PhotoWords
from tools.datasets.cache.decode import UnreadableImage, decode
from tools.datasets.config import DataConfig
from tools.datasets.folder.walk import find_images
from tools.errors import ConfigurationError, DataError
from tools.text import counted, encoded

_LEAST_SHARE = 0.6
"""Smallest side of a crop as a share of the photo's short side: smaller ones show surfaces, not places."""
_MOST_PIXELS = DataConfig().max_pixels
_LARGEST = 4096
"""Long side in pixels at which a photo is decoded; only panoramas lose sharpness by it."""


class FolderMaker:
    """Random square crops of the user's photos; a BackgroundMaker.

    A caption means the photos whose names, folders included, have the most of its words (`photo_words.py`); where no
    name has any, all photos.
    """

    def __init__(self, folder: Path | None) -> None:
        """`folder` and everything below it is searched for images that `tools.datasets` reads.

        Raises:
            ConfigurationError: it is not given, does not exist, or holds no image.
            DataError: a photo cannot be read.
        """
        if folder is None:
            raise ConfigurationError(
                "aga.background.kind 'folder' needs aga.background.folder: the folder with your photos"
            )
        self._folder = folder.expanduser()
        if not self._folder.is_dir():
            raise ConfigurationError(
                f"there is no folder {self._folder.absolute()} (aga.background.folder): give one with photos"
            )
        found = find_images(self._folder, self._folder)
        if not found.images:
            raise ConfigurationError(
                f"there is no image in {self._folder.absolute()} (aga.background.folder) or below it, but "
                f"{counted(found.ignored, 'other file')}: give a folder with photos (.jpg, .png and the like)"
            )
        self._photos = found.images
        digest = hashlib.sha256()
        for photo in self._photos:
            digest.update(encoded(f"{photo}\0{hashlib.sha256(self._bytes_of(photo)).hexdigest()}\0"))
        self.words = PhotoWords(self._photos)
        # Where no name has a word, pictures are the same as they were before captions were read.
        version = 2 if self.words.any else 1
        self.identity = f"folder/{version} sha256:{digest.hexdigest()[:32]}"

    @property
    def files(self) -> list[Path]:
        """All photos."""
        return [self._folder / photo for photo in self._photos]

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a crop of a photo that its words mean, uint8 (size, size, 3), RGB.

        Raises:
            DataError: a photo cannot be read.
        """
        return [self._crop_for(caption, seed, size) for caption, seed in zip(captions, seeds, strict=True)]

    def _crop_for(self, caption: str, seed: int, size: int) -> np.ndarray:
        seeded = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:16])
        rng = np.random.default_rng(seeded)
        meant = self.words.meant(caption) if self.words.any else []
        meant = meant or range(len(self._photos))
        photo = self._photos[meant[int(rng.integers(len(meant)))]]
        share = float(rng.uniform(_LEAST_SHARE, 1))
        at_x, at_y = rng.random(2).tolist()
        data = self._bytes_of(photo)
        try:
            return _crop(data, size, share, at_x, at_y)
        except UnreadableImage as error:
            raise self._unreadable(photo, str(error)) from error

    def _bytes_of(self, photo: str) -> bytes:
        try:
            return (self._folder / photo).read_bytes()
        except OSError as error:
            raise self._unreadable(photo, error.strerror or type(error).__name__) from error

    def _unreadable(self, photo: str, reason: str) -> DataError:
        return DataError(
            f"the background photo {(self._folder / photo).absolute()} cannot be read: {reason}. Replace it or "
            "remove it from aga.background.folder"
        )


def _crop(data: bytes, size: int, share: float, at_x: float, at_y: float) -> np.ndarray:
    """A square of the photo whose side is `share` of its short side; `at_x`, `at_y` 0..1 say where."""
    width, height = _upright_size(data)
    # Large enough that the crop is not enlarged again, and no larger than the photo itself.
    side = math.ceil(size * max(width, height) / (min(width, height) * share))
    side = max(min(side, max(width, height), _LARGEST), size)
    padded = Image.fromarray(decode(data, side, "pad", _MOST_PIXELS))
    across = round(side * min(1, width / height))
    down = round(side * min(1, height / width))
    across, down = max(across, 1), max(down, 1)
    left, top = round((side - across) * 0.5), round((side - down) * 0.5)
    photo = padded.crop((left, top, left + across, top + down))
    edge = share * min(across, down)
    x, y = (across - edge) * at_x, (down - edge) * at_y
    return np.array(photo.resize((size, size), Image.Resampling.LANCZOS, box=(x, y, x + edge, y + edge)))


def _upright_size(data: bytes) -> tuple[int, int]:
    """Width and height after the rotation that the EXIF data asks for; read from the header alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about size: `decode` refuses what is too large
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                rotated = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception as error:
        decode(data, 8, "pad", _MOST_PIXELS)  # its error says why
        raise UnreadableImage("its header is broken") from error
    return (height, width) if rotated else (width, height)
