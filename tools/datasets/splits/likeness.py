"""Near-duplicates: which pictures of a set are the same picture, saved again, resized, mirrored or turned.

Equal bytes are found by `content.py` and `leaks.py`. This file knows neither files nor splits; it is given a grey
thumbnail of each picture, and finds the pairs that show the same.

It takes three steps, each of which leaves fewer pairs to the next. None keeps more than a tile of them:

1. A perceptual hash (`thumbnails.py`): the sign of 64 low frequencies against their median, for each of the eight
   orientations of a picture. Only bits well clear of the median are compared, because noise alone flips the others.
2. The correlation of the details. Every frequency up to `HIGHEST` is weighted by itself, which makes them count about
   equally (the spectrum of a picture falls with frequency). Otherwise all chest X-rays, say, would be alike: bright
   here, dark there.
3. The residual: the difference that remains after a fit of brightness and contrast, in grey levels. It separates
   pictures of simple things (two people write almost the same 1), which no correlation can: an encoder changes a
   thumbnail by a grey level or so, however strong the contrast, while the difference of two strokes grows with it.

The limits lie between what encoders and resizing did to pictures of six sets and what different pictures of the same
set had in common. docs/leaks.md has the figures.
"""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from tools.datasets.splits.picture_pairs import (
    MOST_PAIRS,
    PairCollector,
    PicturePairs,
    concatenate,
    merge_labels,
    no_pairs,
)
from tools.datasets.splits.thumbnails import (
    CHUNK,
    HASH,
    HIGHEST,
    KIND,
    LEFT_RIGHT,
    THUMB,
    TRANSPOSED,
    UPSIDE_DOWN,
    fingerprints,
    over_median,
    packed,
    transform,
)
from tools.machine import usable_cores

How = Literal["same", "mirrored", "turned"]

LEAST_CORRELATION = 0.88
"""Of the details. Below it, no residual is small enough."""
LARGEST_RESIDUAL = 4.0
"""In grey levels (0..255), where the correlation is 0.94 or more."""
_RESIDUAL_AT = (0.90, 2.0)
"""The largest residual at a correlation of 0.90; between and below, the limit is on the line through both."""
LEAST_STRUCTURE = 3.0
"""Standard deviation of a thumbnail in grey levels, without structures larger than about half of it. Pictures with
less (blank, black, foggy, clear sky) match none: all gradients look the same."""
_STRUCTURE = 2.5
"""Frequencies above this one are structure."""
_CONTRAST_RATIO = 1.5
"""Largest ratio of contrast between two thumbnails of one picture: it may have been changed, but not that much."""

_COARSE = 8.6
"""The frequencies up to this one are compared first."""
_CLEAR = 1.5
"""Distance of a coefficient from the median, in grey levels, from which its bit is compared."""
_LEAST_BITS = 12
"""A picture with fewer clear bits counts as blank."""
_DIFFERING = 10
"""At most this many clear bits may differ, and at most every fourth."""

_ROWS, _COLUMNS = 16, 8192
"""A tile compares this many pictures with this many others. Its data fit into the cache of a core."""
_BATCH = 4_096
"""Candidates compared at a time."""

_HOW: tuple[How, ...] = ("same", "mirrored", "turned")
_AS_GOOD = 0.01
"""A symmetric picture is called mirrored only if that fits better by this much."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two pictures that are the same picture."""

    one: int
    """Position of the first."""
    other: int
    """Position of the second, greater than `one`."""
    how: How
    """What made one from the other: only encoding and resizing; also a reflection (left-right, top-bottom or along a
    diagonal); or also a turn by 90, 180 or 270 degrees."""
    correlation: float
    """Of the details, `LEAST_CORRELATION` to 1."""
    residual: float
    """Root mean square of the difference of the thumbnails after a fit of brightness and contrast, in grey levels;
    0 to `LARGEST_RESIDUAL`."""


def find_alike(
    thumbnails: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
    scratch: Path | None = None,
) -> list[Likeness]:
    """All pairs that show the same picture, whatever the order of the pictures.

    Pictures without structure match none. Beyond 10 pairs per picture and 100,000 in all (a film of a scene in which
    nothing moves), only pairs that connect pictures not yet connected are listed: the other matches follow from chains
    of pairs. That, and comparing tile by tile, bounds the memory.

    Args:
        thumbnails: uint8 (N, THUMB, THUMB), as `thumbnail` makes them; may be a memory map.
        progress: called repeatedly with (steps done, steps in all), from the calling thread.
        scratch: a folder on disk for the data to compare (about 1.5 KiB for each picture, in files without a name),
            which are held in memory without it. Another 150 bytes for each picture are always in memory.

    Returns:
        Each pair once, in ascending order of (one, other).
    """
    pictures = _ComparedPictures(thumbnails, scratch)
    found = PairCollector(pictures.count)
    rows, columns = range(0, pictures.count, _ROWS), range(0, pictures.count, _COLUMNS)
    tiles = [(row, column) for row in rows for column in columns if column + _COLUMNS > row + 1]

    threads = usable_cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting = iter(tiles)

        def submit(tile: tuple[int, int]) -> Future[PicturePairs]:
            return pool.submit(pictures.compare, *tile, found.labels)

        # In the order of the tiles, and few at a time: results do not accumulate.
        running = [submit(tile) for tile in islice(waiting, 2 * threads)]
        for done in range(len(tiles)):
            found.add(running.pop(0).result())
            running.extend(submit(tile) for tile in islice(waiting, 1))
            if progress is not None:
                progress(done + 1, len(tiles))
    return _likenesses(found.pairs(), pictures.positions)


def _likenesses(pairs: PicturePairs, positions: np.ndarray) -> list[Likeness]:
    """The pairs as positions in the set, each with the simplest of the orientations that fit."""
    one, other = positions[pairs.one], positions[pairs.other]
    one, other = np.minimum(one, other), np.maximum(one, other)
    kind = KIND[pairs.orientation]
    likenesses: dict[tuple[int, int], Likeness] = {}
    for at in np.lexsort((-pairs.correlation, kind, other, one)).tolist():
        key = (int(one[at]), int(other[at]))
        correlation = float(pairs.correlation[at])
        if key not in likenesses or correlation > likenesses[key].correlation + _AS_GOOD:
            likenesses[key] = Likeness(*key, _HOW[kind[at]], correlation, float(pairs.residual[at]))
    return list(likenesses.values())


def _frequencies() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the coefficients that are compared, lowest frequency first."""
    row, column = (each.ravel() for each in np.indices((HIGHEST + 1, HIGHEST + 1)))
    order = np.argsort(np.hypot(row, column), kind="stable")
    order = order[(np.hypot(row, column)[order] > 0) & (np.hypot(row, column)[order] <= HIGHEST)]
    return row[order], column[order]


_ROW, _COLUMN = _frequencies()
_WEIGHT = np.hypot(_ROW, _COLUMN).astype(np.float32)
_PREFIX = int(np.searchsorted(_WEIGHT, _COARSE))
_SWAPPED = np.array(
    [
        np.flatnonzero((column == _ROW) & (row == _COLUMN))[0]
        for row, column in zip(_ROW, _COLUMN, strict=True)
    ]
)
_SIGNS = np.where(UPSIDE_DOWN[:, None] & (_ROW % 2 == 1), -1, 1) * np.where(
    LEFT_RIGHT[:, None] & (_COLUMN % 2 == 1), -1, 1
).astype(np.float32)


def _orthonormal(transforms: np.ndarray) -> np.ndarray:
    """The compared coefficients, scaled so that squares add up to those of the pixels; float32 (N, coefficients)."""
    edge = np.where((_ROW == 0) | (_COLUMN == 0), np.sqrt(2), 1)
    return (transforms[:, _ROW, _COLUMN] / (2 * THUMB * edge)).astype(np.float32)


def _clear_bits(transforms: np.ndarray) -> np.ndarray:
    over = over_median(transforms[:, :HASH, :HASH])
    return packed(np.abs(over) >= _CLEAR * 2 * THUMB)


def has_structure(transforms: np.ndarray) -> np.ndarray:
    """bool (N,): False for blank pictures, gradients and the like, which match none.

    Args:
        transforms: of thumbnails, as `transform` makes them.
    """
    structure = np.linalg.norm(_orthonormal(transforms)[:, _WEIGHT > _STRUCTURE], axis=1) / THUMB
    return (structure >= LEAST_STRUCTURE) & (np.bitwise_count(_clear_bits(transforms)) >= _LEAST_BITS)


def count_plain(thumbnails: np.ndarray, rows: Sequence[int]) -> int:
    """How many of the pictures in `rows` have too little structure to be compared; `thumbnails` as for `find_alike`."""
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    return sum(int((~has_structure(transform(thumbnails[chunk]))).sum()) for chunk in chunks)


def _scratch_array(shape: tuple[int, int], scratch: Path | None) -> np.ndarray:
    """A float32 array; if there is a folder for it, in a file that disappears with it."""
    if scratch is None or 0 in shape:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=scratch) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)


class _ComparedPictures:
    """The data to compare of each picture that has structure, in an order that depends on the pictures only."""

    def __init__(self, thumbnails: np.ndarray, scratch: Path | None) -> None:
        hashes = [np.empty((0, len(KIND)), np.uint64)]
        clear, contrast = [np.empty(0, np.uint64)], [np.empty(0, np.float32)]
        positions = [np.empty(0, np.int64)]
        for start in range(0, len(thumbnails), CHUNK):
            transforms = transform(thumbnails[start : start + CHUNK])
            usable = np.flatnonzero(has_structure(transforms))
            hashes.append(fingerprints(thumbnails[start : start + CHUNK])[usable])
            clear.append(_clear_bits(transforms)[usable])
            contrast.append(np.linalg.norm(_orthonormal(transforms[usable]), axis=1) / THUMB)
            positions.append(usable + start)
        own, deviation = np.concatenate(hashes), np.concatenate(contrast)
        # Hash and mask are of one picture of a pair: which one must not depend on their order in the set.
        order = np.lexsort((deviation, *own.T))
        self.count = len(order)
        self.positions = np.concatenate(positions)[order]
        self._hashes = np.ascontiguousarray(own[order].T)
        self._clear = np.concatenate(clear)[order]
        self._allowed = np.minimum(np.bitwise_count(self._clear) // 4, _DIFFERING)
        self._contrast = deviation[order]
        self._plain_norm = np.empty(self.count, np.float32)
        self._details = _scratch_array((self.count, len(_WEIGHT)), scratch)
        self._coarse = _scratch_array((self.count, _PREFIX), scratch)
        self._coarse_swapped = _scratch_array((self.count, _PREFIX), scratch)
        for start in range(0, self.count, CHUNK):
            chunk = slice(start, min(start + CHUNK, self.count))
            weighted = _orthonormal(transform(thumbnails[self.positions[chunk]])) * _WEIGHT
            details = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
            self._details[chunk] = details
            self._plain_norm[chunk] = np.linalg.norm(details / _WEIGHT, axis=1)
            self._coarse[chunk] = details[:, :_PREFIX]
            self._coarse_swapped[chunk] = details[:, _SWAPPED[:_PREFIX]]

    def compare(self, row: int, column: int, labels: np.ndarray | None) -> PicturePairs:
        """The pairs of one tile that are alike; where `labels` are given, only those between different labels."""
        rows = slice(row, min(row + _ROWS, self.count))
        columns = slice(max(column, row + 1), min(column + _COLUMNS, self.count))
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        differing = np.empty(shape, dtype=np.uint64)
        bits = np.empty(shape, dtype=np.uint8)
        near = np.empty(shape, dtype=bool)
        own, clear = self._hashes[0, rows, None], self._clear[rows, None]
        found = [no_pairs()]
        count = 0
        for orientation in range(len(KIND)):
            np.bitwise_xor(own, self._hashes[orientation, columns], out=differing)
            np.bitwise_and(differing, clear, out=differing)
            np.bitwise_count(differing, out=bits)
            np.less_equal(bits, self._allowed[rows, None], out=near)
            candidates = np.flatnonzero(near)
            for start in range(0, len(candidates), _BATCH):
                one, other = np.divmod(candidates[start : start + _BATCH], shape[1])
                one, other = one + rows.start, other + columns.start
                keep = one < other
                if labels is not None:
                    keep &= labels[one] != labels[other]
                alike = self._verify(one[keep], other[keep], orientation)
                found.append(alike)
                count += len(alike.one)
                if count > MOST_PAIRS:
                    labels = merge_labels(np.arange(self.count) if labels is None else labels, alike)
        return concatenate(found)

    def _verify(self, one: np.ndarray, other: np.ndarray, orientation: int) -> PicturePairs:
        # For two vectors of length one, the distance of a part bounds the correlation of the whole.
        coarse = self._coarse_swapped if TRANSPOSED[orientation] else self._coarse
        apart = self._coarse[one] * _SIGNS[orientation, :_PREFIX] - coarse[other]
        keep = np.einsum("ij,ij->i", apart, apart) <= 2 * (1 - LEAST_CORRELATION)
        one, other = one[keep], other[keep]
        ratio = self._contrast[one] / self._contrast[other]
        keep = (ratio <= _CONTRAST_RATIO) & (ratio >= 1 / _CONTRAST_RATIO)
        one, other = one[keep], other[keep]

        details = self._details[other]
        product = (
            self._details[one]
            * _SIGNS[orientation]
            * (details[:, _SWAPPED] if TRANSPOSED[orientation] else details)
        )
        correlation = product.sum(axis=1)
        plain = (product / _WEIGHT**2).sum(axis=1) / (self._plain_norm[one] * self._plain_norm[other])
        contrast = np.maximum(self._contrast[one], self._contrast[other])
        residual = np.sqrt(np.maximum(1 - plain**2, 0)) * contrast
        return PicturePairs(
            one, other, np.full(len(one), orientation), np.minimum(correlation, 1), residual
        ).select(np.flatnonzero(_alike(correlation, residual)))


def _alike(correlation: np.ndarray, residual: np.ndarray) -> np.ndarray:
    at, allowed = _RESIDUAL_AT
    limit = np.minimum(allowed + 50 * (correlation - at), LARGEST_RESIDUAL)
    return (correlation >= LEAST_CORRELATION) & (residual <= limit)
