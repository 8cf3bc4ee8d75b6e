"""Which pictures of a set are the same picture: saved again, resized, mirrored or turned.

Equal bytes are not looked at here: that is the part of `content.py` and `leaks.py`. This file knows neither files nor
splits; it sees a grey thumbnail of each picture, and says of pairs whether they show the same.

In three steps, each of which leaves fewer pairs to the next, and none of which keeps more than a tile of them:

1. A perceptual hash (`thumbnails.py`): the sign of 64 low frequencies against their median, for each of the eight ways
   to lay a picture. Only bits that stand clear of the median are compared, because noise alone turns the others.
2. The correlation of the details. Every frequency up to `HIGHEST` is weighted by itself, which makes them count about
   alike (the spectrum of a picture falls with the frequency); otherwise all chest X-rays, say, are alike: bright here,
   dark there.
3. The residual: what is left of the difference when brightness and contrast are fitted, in grey levels. It tells
   pictures of simple things apart (two hands write almost the same 1) which no correlation can: what an encoder
   changes in a thumbnail is a grey level or so, however strong the contrast, and the difference of two strokes grows
   with it.

The limits stand between what encoders and resizing did to pictures of six sets and what different pictures of the
same set had in common. docs/leaks.md has the figures.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

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
"""The largest residual at a correlation of 0.90; in between and below, on the line through both."""
LEAST_STRUCTURE = 3.0
"""Standard deviation of a thumbnail in grey levels, without what is larger than about half of it. Pictures with less
(blank, black, fogged, a piece of clear sky) are alike to none: a gradient is a gradient."""
_STRUCTURE = 2.5
"""Frequencies above this one are structure."""
_CONTRAST_RATIO = 1.5
"""Between two thumbnails of one picture: brightness or contrast may have been changed, but not to something else."""

_COARSE = 8.6
"""The frequencies up to this one are compared first."""
_CLEAR = 1.5
"""Distance of a coefficient from the median, in grey levels, from which its bit is compared."""
_LEAST_BITS = 12
"""A picture with fewer clear bits is as good as blank."""
_DIFFERING = 10
"""So many clear bits may differ, but no more than every fourth."""

_ROWS, _COLUMNS = 16, 8192
"""Pictures of a tile: every one of the first against every one of the second. What it needs stays in a core's cache."""
_BATCH = 4_096
"""Candidates compared at a time."""
_KEPT_EACH, _KEPT = 10, 100_000
"""So many pairs per picture, and at least so many in all, are listed in full (see `find_alike`)."""

_HOW: tuple[How, ...] = ("same", "mirrored", "turned")
_AS_GOOD = 0.01
"""A picture that looks the same mirrored is called mirrored only where that fits better by this."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two pictures that are one."""

    one: int
    """Position of the first."""
    other: int
    """Position of the second, behind `one`."""
    how: How
    """What was done to one to make the other: nothing but encoding and resizing; a reflection besides (left-right,
    top-bottom or along a diagonal); or a turn by 90, 180 or 270 degrees."""
    correlation: float
    """Of the details, `LEAST_CORRELATION` to 1."""
    residual: float
    """Root mean square of the difference of the thumbnails after a fit of brightness and contrast, in grey levels;
    0 to `LARGEST_RESIDUAL`."""


def comparable(thumbnails: np.ndarray) -> np.ndarray:
    """Which pictures `find_alike` can compare: those with structure.

    Args:
        thumbnails: uint8 (N, THUMB, THUMB); may be a memory map.

    Returns:
        bool (N,). False for blank pictures, gradients and the like, which are alike to none.
    """
    usable = np.empty(len(thumbnails), dtype=bool)
    for start in range(0, len(thumbnails), CHUNK):
        usable[start : start + CHUNK] = _has_structure(transform(thumbnails[start : start + CHUNK]))
    return usable


def find_alike(
    thumbnails: np.ndarray,
    progress: Callable[[int, int], None] | None = None,
    scratch: Path | None = None,
) -> list[Likeness]:
    """All pairs that show the same picture, whatever the order of the pictures.

    Pictures without structure are alike to none. Where more than 10 pairs per picture and 100,000 in all are found (a
    film of a scene in which nothing moves), only pairs that connect pictures not yet connected are listed from there
    on: who is alike to whom then follows from chains of pairs. That, and comparing tile by tile, bounds the memory.

    Args:
        thumbnails: uint8 (N, THUMB, THUMB), as `thumbnail` makes them; may be a memory map.
        progress: called now and then with (steps done, steps in all), from the calling thread.
        scratch: a folder on disk for what is compared (about 1.5 KiB for each picture, in files without a name);
            without one it is held in memory. About 150 bytes for each picture are in either case.

    Returns:
        Each pair once, in ascending order of (one, other).
    """
    views = _Views(thumbnails, scratch)
    found = _Found(views.count)
    rows, columns = range(0, views.count, _ROWS), range(0, views.count, _COLUMNS)
    tiles = [(row, column) for row in rows for column in columns if column + _COLUMNS > row + 1]

    threads = usable_cores()
    with ThreadPoolExecutor(threads) as pool:
        waiting = iter(tiles)

        def submit(tile: tuple[int, int]) -> Future[_Pairs]:
            return pool.submit(views.compare, *tile, found.labels)

        # In the order of the tiles, and few at a time: what they find does not pile up.
        flying = [submit(tile) for tile in islice(waiting, 2 * threads)]
        for done in range(len(tiles)):
            found.add(flying.pop(0).result())
            flying.extend(submit(tile) for tile in islice(waiting, 1))
            if progress is not None:
                progress(done + 1, len(tiles))
    return found.likenesses(views.positions)


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


def _has_structure(transforms: np.ndarray) -> np.ndarray:
    structure = np.linalg.norm(_orthonormal(transforms)[:, _WEIGHT > _STRUCTURE], axis=1) / THUMB
    return (structure >= LEAST_STRUCTURE) & (np.bitwise_count(_clear_bits(transforms)) >= _LEAST_BITS)


@dataclass(frozen=True, slots=True)
class _Pairs:
    one: np.ndarray
    other: np.ndarray
    way: np.ndarray
    correlation: np.ndarray
    residual: np.ndarray

    def some(self, at: np.ndarray) -> "_Pairs":
        return _Pairs(
            *(each[at] for each in (self.one, self.other, self.way, self.correlation, self.residual))
        )


class _Found:
    """The pairs found so far: all of them, or what connects them where they are too many."""

    def __init__(self, count: int) -> None:
        self.labels: np.ndarray | None = None
        """Of each picture, equal for connected ones; None as long as all pairs are kept."""
        self._count = count
        self._pairs: list[_Pairs] = []
        self._total = 0

    def add(self, pairs: _Pairs) -> None:
        if self.labels is not None:
            one, other = self.labels[pairs.one], self.labels[pairs.other]
            links = np.stack([np.minimum(one, other), np.maximum(one, other)])
            first = np.unique(links, axis=1, return_index=True)[1]
            pairs = pairs.some(first[links[0, first] != links[1, first]])
        self._pairs.append(pairs)
        self._total += len(pairs.one)
        if self.labels is not None:
            self.labels = _merged(self.labels, pairs)
        elif self._total > max(_KEPT_EACH * self._count, _KEPT):
            self.labels = _merged(np.arange(self._count), _joined(self._pairs))

    def likenesses(self, positions: np.ndarray) -> list[Likeness]:
        """The pairs, as positions in the set, each with the plainest of the ways in which it fits."""
        if not self._pairs:
            return []
        pairs = _joined(self._pairs)
        one, other = positions[pairs.one], positions[pairs.other]
        one, other = np.minimum(one, other), np.maximum(one, other)
        kind = KIND[pairs.way]
        likenesses: dict[tuple[int, int], Likeness] = {}
        for at in np.lexsort((-pairs.correlation, kind, other, one)).tolist():
            key = (int(one[at]), int(other[at]))
            correlation = float(pairs.correlation[at])
            if key not in likenesses or correlation > likenesses[key].correlation + _AS_GOOD:
                likenesses[key] = Likeness(*key, _HOW[kind[at]], correlation, float(pairs.residual[at]))
        return list(likenesses.values())


def _merged(labels: np.ndarray, pairs: _Pairs) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array(
        (np.ones(len(pairs.one), dtype=bool), (labels[pairs.one], labels[pairs.other])),
        shape=(len(labels), len(labels)),
    )
    return connected_components(links, directed=False)[1][labels]


def _room(shape: tuple[int, int], scratch: Path | None) -> np.ndarray:
    """A float32 array, in a file that goes with it where there is a folder for it."""
    if scratch is None or 0 in shape:
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=scratch) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)


class _Views:
    """What is compared of each picture that has structure, in an order that is the pictures' own."""

    def __init__(self, thumbnails: np.ndarray, scratch: Path | None) -> None:
        hashes = [np.empty((0, len(KIND)), np.uint64)]
        clear, contrast = [np.empty(0, np.uint64)], [np.empty(0, np.float32)]
        positions = [np.empty(0, np.int64)]
        for start in range(0, len(thumbnails), CHUNK):
            transforms = transform(thumbnails[start : start + CHUNK])
            usable = np.flatnonzero(_has_structure(transforms))
            hashes.append(fingerprints(thumbnails[start : start + CHUNK])[usable])
            clear.append(_clear_bits(transforms)[usable])
            contrast.append(np.linalg.norm(_orthonormal(transforms[usable]), axis=1) / THUMB)
            positions.append(usable + start)
        own, deviation = np.concatenate(hashes), np.concatenate(contrast)
        # Hash and mask are taken of one picture of a pair: which, must not depend on where they lie in the set.
        order = np.lexsort((deviation, *own.T))
        self.count = len(order)
        self.positions = np.concatenate(positions)[order]
        self._laid = np.ascontiguousarray(own[order].T)
        self._clear = np.concatenate(clear)[order]
        self._allowed = np.minimum(np.bitwise_count(self._clear) // 4, _DIFFERING)
        self._contrast = deviation[order]
        self._plain_norm = np.empty(self.count, np.float32)
        self._details = _room((self.count, len(_WEIGHT)), scratch)
        self._coarse = _room((self.count, _PREFIX), scratch)
        self._coarse_swapped = _room((self.count, _PREFIX), scratch)
        for start in range(0, self.count, CHUNK):
            some = slice(start, min(start + CHUNK, self.count))
            weighted = _orthonormal(transform(thumbnails[self.positions[some]])) * _WEIGHT
            details = weighted / np.linalg.norm(weighted, axis=1, keepdims=True)
            self._details[some] = details
            self._plain_norm[some] = np.linalg.norm(details / _WEIGHT, axis=1)
            self._coarse[some] = details[:, :_PREFIX]
            self._coarse_swapped[some] = details[:, _SWAPPED[:_PREFIX]]

    def compare(self, row: int, column: int, labels: np.ndarray | None) -> _Pairs:
        """The pairs of one tile that are alike; where `labels` are given, only those between different labels."""
        rows = slice(row, min(row + _ROWS, self.count))
        columns = slice(max(column, row + 1), min(column + _COLUMNS, self.count))
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        differing = np.empty(shape, dtype=np.uint64)
        bits = np.empty(shape, dtype=np.uint8)
        near = np.empty(shape, dtype=bool)
        own, clear = self._laid[0, rows, None], self._clear[rows, None]
        found = [
            _Pairs(*(np.empty(0, kind) for kind in (np.int64, np.int64, np.int64, np.float32, np.float32)))
        ]
        count = 0
        for way in range(len(KIND)):
            np.bitwise_xor(own, self._laid[way, columns], out=differing)
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
                alike = self._verify(one[keep], other[keep], way)
                found.append(alike)
                count += len(alike.one)
                if count > _KEPT:
                    labels = _merged(np.arange(self.count) if labels is None else labels, alike)
        return _joined(found)

    def _verify(self, one: np.ndarray, other: np.ndarray, way: int) -> _Pairs:
        # Of two vectors of length one, the distance of a part bounds the correlation of the whole.
        coarse = self._coarse_swapped if TRANSPOSED[way] else self._coarse
        apart = self._coarse[one] * _SIGNS[way, :_PREFIX] - coarse[other]
        keep = np.einsum("ij,ij->i", apart, apart) <= 2 * (1 - LEAST_CORRELATION)
        one, other = one[keep], other[keep]
        ratio = self._contrast[one] / self._contrast[other]
        keep = (ratio <= _CONTRAST_RATIO) & (ratio >= 1 / _CONTRAST_RATIO)
        one, other = one[keep], other[keep]

        details = self._details[other]
        product = self._details[one] * _SIGNS[way] * (details[:, _SWAPPED] if TRANSPOSED[way] else details)
        correlation = product.sum(axis=1)
        plain = (product / _WEIGHT**2).sum(axis=1) / (self._plain_norm[one] * self._plain_norm[other])
        contrast = np.maximum(self._contrast[one], self._contrast[other])
        residual = np.sqrt(np.maximum(1 - plain**2, 0)) * contrast
        return _Pairs(one, other, np.full(len(one), way), np.minimum(correlation, 1), residual).some(
            np.flatnonzero(_alike(correlation, residual))
        )


def _alike(correlation: np.ndarray, residual: np.ndarray) -> np.ndarray:
    at, allowed = _RESIDUAL_AT
    limit = np.minimum(allowed + 50 * (correlation - at), LARGEST_RESIDUAL)
    return (correlation >= LEAST_CORRELATION) & (residual <= limit)


def _joined(pairs: list[_Pairs]) -> _Pairs:
    return _Pairs(
        *(
            np.concatenate([getattr(each, name) for each in pairs])
            for name in ("one", "other", "way", "correlation", "residual")
        )
    )
