"""Which back end makes the backgrounds, and the one that takes them from the user's own photos.

`textures.py` draws, `diffusion.py` asks a text-to-image model; all three are a BackgroundMaker (see `types.py`).
"""

import hashlib
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from tools.aga.config import BackgroundConfig
from tools.aga.types import BackgroundMaker
from tools.datasets.cache.decode import UnreadableImage, decode
from tools.datasets.config import DataConfig
from tools.datasets.folder.walk import IMAGE_SUFFIXES, find_images
from tools.errors import ConfigurationError, DataError

_RESAMPLING = Image.Resampling.LANCZOS
_LEAST_SHARE = 0.6
"""Smallest side of a crop as a share of the photo's short side: smaller ones show surfaces, not places."""
_MOST_PIXELS = DataConfig().max_pixels
_LARGEST = 4096
"""Long side at which a photo is looked at; only of panoramas does it cost sharpness."""


def make_background_maker(config: BackgroundConfig) -> BackgroundMaker:
    """The maker that the settings describe. Light: weights are loaded with the first picture.

    Raises:
        ConfigurationError: no photos in the folder, no model at the path, a device that is not there.
    """
    if config.kind == "folder":
        return FolderMaker(config.folder)
    if config.kind == "diffusion":
        from tools.aga.backgrounds.diffusion import make_diffusion_maker

        return make_diffusion_maker(config)
    from tools.aga.backgrounds.textures.families import TextureMaker

    return TextureMaker()


class FolderMaker:
    """Random square crops of the user's photos; a BackgroundMaker that does not read captions."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is searched with all below it, for images as `tools.datasets` reads them.

        Raises:
            ConfigurationError: it is not given, not there, or holds no image.
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
                f"no image in {self._folder.absolute()} (aga.background.folder), but {found.ignored} other files: "
                f"backgrounds are taken from {' '.join(sorted(IMAGE_SUFFIXES))}"
            )
        self._photos = found.images
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """The photos' names and bytes."""
        if self._identity is None:
            digest = hashlib.sha256()
            for photo in self._photos:
                digest.update(f"{photo}\0{hashlib.sha256(self._bytes_of(photo)).hexdigest()}\0".encode())
            self._identity = f"folder/1 sha256:{digest.hexdigest()[:32]}"
        return self._identity

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each seed a crop of some photo, uint8 (size, size, 3), RGB; the captions only count.

        Raises:
            DataError: a photo cannot be read.
        """
        return [self._one(seed, size) for _, seed in zip(captions, seeds, strict=True)]

    def _one(self, seed: int, size: int) -> np.ndarray:
        seeded = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:16])
        rng = np.random.default_rng(seeded)
        photo = self._photos[int(rng.integers(len(self._photos)))]
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
            f"the background photo {(self._folder / photo).absolute()} cannot be read: {reason}. Replace it or take "
            "it out of aga.background.folder"
        )


def _crop(data: bytes, size: int, share: float, at_x: float, at_y: float) -> np.ndarray:
    """A square of the photo whose side is `share` of its short side; `at_x`, `at_y` 0..1 say where."""
    width, height = _upright_size(data)
    # Large enough that the crop is not scaled up again, and no larger than the photo itself.
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
    return np.array(photo.resize((size, size), _RESAMPLING, box=(x, y, x + edge, y + edge)))


def _upright_size(data: bytes) -> tuple[int, int]:
    """Width and height once the photo is turned as its EXIF says; read from the header alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of size: `decode` refuses what is too large
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception as error:
        decode(data, 8, "pad", _MOST_PIXELS)  # which knows to say why
        raise UnreadableImage("its header is broken") from error
    return (height, width) if turned else (width, height)
