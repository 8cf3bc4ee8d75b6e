"""How one composite is made, wherever that happens: of a source, its mask and a background, by rules that pickle small.

`pasting.py` makes a set's composites in this process and its own; `pasted` makes those of a shard on another machine,
of bytes that were sent along, and gives back bytes: nothing is read or written there.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tools.aga.composites.compose import paste
from tools.aga.composites.edges import in_the_light_of, without_old_background
from tools.aga.composites.placement import Placement, draw_placement
from tools.aga.composites.scratch import Scratch
from tools.aga.config import ComposeConfig, PromptSet
from tools.aga.making.request import Request
from tools.aga.making.set_plan import PlannedImage, placement_numbers
from tools.aga.making.source_images import EncodedImage, fitted, fitted_mask
from tools.aga.store.pictures import kept_mask, kept_picture
from tools.datasets.cache.decode import Fit
from tools.errors import AugurError


@dataclass(frozen=True)
class Rules:
    """What composites depend on besides their pictures."""

    prompts: PromptSet
    compose: ComposeConfig
    seed: int
    image_size: int
    fit: Fit

    @classmethod
    def of(cls, request: Request) -> "Rules":
        """Those of a request."""
        return cls(request.prompts, request.config.compose, request.seed, request.image_size, request.fit)


class Inputs(Protocol):
    """Where the pictures come from."""

    def pixels(self, row: int) -> np.ndarray:
        """A source, uint8 (H, W, 3), as it is pasted: at training size, or at its own."""
        ...

    def mask(self, file: str) -> np.ndarray:
        """A mask, bool (H, W), at the size of the source."""
        ...

    def background(self, file: str) -> np.ndarray:
        """A background, uint8 (S, S, 3)."""
        ...


class StoredInputs:
    """Reads the store and the data set of this machine."""

    def __init__(self, request: Request, work: Path) -> None:
        """`work`: the folder of the unfinished set, for errors."""
        self._request, self._work = request, work

    def pixels(self, row: int) -> np.ndarray:
        """See `Inputs`."""
        if self._request.config.compose.size == "training":
            return self._request.sources.training_pixels(row)
        return self._request.sources[row].pixels

    def mask(self, file: str) -> np.ndarray:
        """See `Inputs`."""
        if (kept := kept_mask(self._request.root / file)) is None:
            raise self._gone(file)
        return kept[0]

    def background(self, file: str) -> np.ndarray:
        """See `Inputs`."""
        if (kept := kept_picture(self._request.root / file)) is None:
            raise self._gone(file)
        return kept

    def encoded(self, row: int) -> np.ndarray | EncodedImage:
        """What `pixels` would read, as small as it is stored."""
        if self._request.config.compose.size == "training":
            return self._request.sources.training_pixels(row)
        return self._request.sources.encoded(row)

    def content(self, file: str) -> bytes:
        """Of a mask or a background."""
        try:
            return (self._request.root / file).read_bytes()
        except OSError as error:
            raise self._gone(file) from error

    def _gone(self, file: str) -> AugurError:
        return AugurError(
            f"{self._request.root / file} is missing or damaged since it was made: remove {self._work} "
            "and run again, and it is made again"
        )


class Composer:
    """Makes composites one after the other; those of one source should follow one another."""

    def __init__(self, rules: Rules, inputs: Inputs) -> None:
        self._rules, self._inputs = rules, inputs
        self._row = -1
        self._source = self._mask = np.empty(0)
        self._scratch = Scratch()

    def compose(
        self, image: PlannedImage, row: int, mask_file: str, background: str
    ) -> tuple[np.ndarray, Placement]:
        """The composite, uint8 (H, W, 3), and where its subject is. The picture lasts until the next one is made.

        Args:
            image: which copy of its source.
            row: of the source.
            mask_file: its mask within the store.
            background: the background within the store.

        Raises:
            AugurError: a file that was there is gone.
        """
        prompts, compose = self._rules.prompts, self._rules.compose
        source, mask = self._source_of(row, mask_file)
        behind = self._inputs.background(background)
        placement = draw_placement(
            placement_numbers(self._rules.seed, row, image.copy),
            mask,
            prompts.flip_probability,
            prompts.max_rotation,
            prompts.min_scale,
            prompts.max_scale,
            compose.place,
        )
        if compose.light == "match":
            source = in_the_light_of(source, mask, behind)
        room = self._scratch("picture", *mask.shape, 3)  # written to disk before the next one
        return paste(source, mask, behind, placement, compose.edge, room), placement

    def _source_of(self, row: int, mask_file: str) -> tuple[np.ndarray, np.ndarray]:
        """The picture and its mask. Those of the last source are kept: its copies follow one another."""
        if row != self._row:
            rules, mask = self._rules, self._inputs.mask(mask_file)
            self._source = self._inputs.pixels(row)
            if rules.compose.size == "training":
                mask = fitted_mask(mask, rules.image_size, rules.fit)
            self._mask = mask
            if rules.compose.colours == "estimated":
                self._source = without_old_background(self._source, mask, rules.compose.edge)
            self._row = row
        return self._source, self._mask


@dataclass(frozen=True)
class SentShard:
    """What the composites of a shard are made of, for another machine."""

    rules: Rules
    images: Sequence[tuple[PlannedImage, int, str, str]]
    """Each with its source's row, and the files of mask and background within the store."""
    sources: Mapping[int, np.ndarray | EncodedImage]
    """By row."""
    files: Mapping[str, bytes]
    """Masks and backgrounds."""

    def pixels(self, row: int) -> np.ndarray:
        """See `Inputs`."""
        source = self.sources[row]
        return source.decoded().pixels if isinstance(source, EncodedImage) else source

    def mask(self, file: str) -> np.ndarray:
        """See `Inputs`."""
        if (kept := kept_mask(io.BytesIO(self.files[file]))) is None:
            raise _damaged(file)
        return kept[0]

    def background(self, file: str) -> np.ndarray:
        """See `Inputs`."""
        if (kept := kept_picture(io.BytesIO(self.files[file]))) is None:
            raise _damaged(file)
        return kept


def _damaged(file: str) -> AugurError:
    return AugurError(
        f"{file} of the store of images is damaged: remove it and run again, and it is made again"
    )


@dataclass(frozen=True)
class Pasted:
    """A composite."""

    data: bytes
    """The encoded file."""
    small: np.ndarray
    """uint8 (S, S, 3), at training size."""
    placement: Placement


def pasted(shard: SentShard) -> list[Pasted]:
    """The composites of a shard, in order."""
    composer = Composer(shard.rules, shard)
    return [encoded(shard.rules, *composer.compose(*image)) for image in shard.images]


def encoded(rules: Rules, picture: np.ndarray, placement: Placement) -> Pasted:
    """A composite as it is kept; `picture` is uint8 (H, W, 3)."""
    small = (
        picture.copy() if rules.compose.size == "training" else fitted(picture, rules.image_size, rules.fit)
    )
    return Pasted(_file_of(picture, rules.compose), small, placement)


def _file_of(picture: np.ndarray, compose: ComposeConfig) -> bytes:
    data = io.BytesIO()
    image = Image.fromarray(picture)
    if compose.format == "png":
        # The fastest level: the files are a tenth larger and written in a third of the time.
        image.save(data, "PNG", compress_level=1)
    elif compose.format == "jpeg":
        # Colour at full resolution: the subject's edge is where it would be seen.
        image.save(data, "JPEG", quality=compose.quality, subsampling=0)
    else:
        image.save(data, "WEBP", quality=compose.quality)
    return data.getvalue()
