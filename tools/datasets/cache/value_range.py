"""Which numbers become black and white, where pixels have more than 8 bits (`data.range`).

- `type`: the range of their type. Brightness is comparable with everything else, but 12 bits in a 16-bit file are
  nearly black.
- `dataset`: the range that the training images use, the same for all images. Whole numbers from 0 on are taken to have
  the bits that the largest of them needs (3,987 means 12 bits: 0 to 4,095); others are taken from the smallest to the
  largest.
- `LOW:HIGH`: these numbers.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from tools.datasets.cache.decode import UnreadableImage, open_rgb
from tools.datasets.cache.decode_all import OnProgress
from tools.datasets.cache.levels import Span
from tools.datasets.cache.look import DEEP, Stored
from tools.datasets.config import DataConfig
from tools.datasets.splits.assign import assign_splits
from tools.datasets.types import Dataset, Source
from tools.errors import AugurError
from tools.machine import usable_cores
from tools.processes import WorkerDied, run_in_processes

_EVERYTHING: Span = (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max))
"""Any span has numbers of more than 8 bits read as they are."""
_CHUNK, _FEW = 16, 128
"""Files of one task; fewer files than that are looked at in this process."""


def span_of(published: Dataset, config: DataConfig, progress: OnProgress | None = None) -> Span | None:
    """The numbers that become black and white; None for the range of the type.

    Args:
        published: with the splits that it was published with.
        config: `range`, and what decides the splits.
        progress: called with (images done, images in all).
    """
    if config.range == "type":
        return None
    if config.range != "dataset":
        low, high = map(float, config.range.split(":"))
        return low, high
    return used_span(published.source, _training_files(published, config), config, progress)


def describe_span(config: DataConfig, span: Span | None) -> tuple[str, ...]:
    """A note on what became black and white, where that is not the range of the type."""
    if span is not None:
        black, white = (f"{each:,.6g}" for each in span)
        return (
            f"in images of more than 8 bits, {black} is black and {white} is white (data.range {config.range})",
        )
    if config.range == "dataset":
        return ("data.range dataset changes nothing: no image has more than 8 bits",)
    return ()


def _training_files(published: Dataset, config: DataConfig) -> list[str]:
    try:
        divided = published if published.published or published.shift_of else assign_splits(published, config)
    except AugurError:  # told where the splits are made; a set that cannot be divided is only looked at
        divided = published
    files = [record.file for record in divided.records if record.split == "train"]
    return files or [record.file for record in divided.records]


def used_span(
    source: Source, files: Sequence[str], config: DataConfig, progress: OnProgress | None = None
) -> Span | None:
    """The range of the numbers in these files; None where none of them has more than 8 bits.

    Files that cannot be read are left to decoding, which names them.
    """
    low, high, whole = math.inf, -math.inf, True
    done = 0
    for chunk in _looked_at(source, files, config):
        for stored in chunk:
            if stored is not None and stored.kind in DEEP:
                low, high = min(low, stored.low), max(high, stored.high)
                whole = whole and stored.kind != "floating-point"
        done += len(chunk)
        if progress is not None:
            progress(done, len(files))
    if high < low:
        return None
    if whole and low >= 0 and high.is_integer():
        return 0.0, float(2 ** max(1, int(high).bit_length()) - 1)
    return (low, high) if high > low else (low, low + 1)


def _looked_at(source: Source, files: Sequence[str], config: DataConfig) -> Iterator[list[Stored | None]]:
    remaining = iter(files)
    chunks = iter(lambda: list(islice(remaining, _CHUNK)), [])
    processes = min(config.decode_workers or usable_cores(), -(-len(files) // _CHUNK))
    if processes <= 1 or len(files) < _FEW:
        _begin(source, config.max_pixels)
        yield from map(_look, chunks)
        return
    try:
        yield from run_in_processes(_look, chunks, processes, _begin, (source, config.max_pixels))
    except WorkerDied as died:
        suspects = sorted(source.where(file) for chunk in died.in_flight for file in chunk)
        raise AugurError(
            "a process that reads images died (out of memory, or an error in the decoder). It was working on one of "
            f"these {len(suspects)} files: {', '.join(suspects)}. --data.range LOW:HIGH needs no such reading"
        ) from died


_task: tuple[Source, int] | None = None


def _begin(source: Source, max_pixels: int) -> None:
    global _task
    _task = source, max_pixels


def _look(chunk: list[str]) -> list[Stored | None]:
    assert _task is not None
    return [_stored(_task[0], file, _task[1]) for file in chunk]


def _stored(source: Source, file: str, max_pixels: int) -> Stored | None:
    try:
        return open_rgb(source.read(file), 1, max_pixels, _EVERYTHING)[1]
    except (OSError, UnreadableImage):
        return None
