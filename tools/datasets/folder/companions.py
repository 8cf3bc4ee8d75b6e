"""Files that belong to an image and are none of their own: masks, annotated copies, thumbnails.

A file is a companion only if that is certain: its name says so (`x_mask.png` beside `x.png`, `masks/x.png` beside
`images/x.png`, `x.png` beside `x.jpg`), and its content agrees with its name. Otherwise it is an image, and what looks
doubtful is told.
"""

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

import numpy as np
from PIL import Image

CompanionRule = Literal["auto", "skip", "keep"]
"""Leave out what is certain; leave out what has the name of one; use everything."""

Kind = Literal["mask", "copy", "thumbnail"]

_WORDS: dict[Kind, str] = {
    "mask": "masks?|seg|segs|segm|segmentations?|segmented|labels?|label_?ids|gt|ground_?truth|annotations?|anno|roi|"
    "trimaps?|superpixels|heatmaps?|skeletons?",
    "copy": "annotated|overlays?|contours?|bbox(?:es)?|boxes|drawn|marked|visuali[sz]ations?|vis",
    "thumbnail": "thumbs?|thumbnails?|preview",
}
_SUFFIX: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(rf"^(?P<stem>.+?)[ ._-]*[ ._(-](?:{words})(?:[ ._-]*\d+)?\)?$", re.IGNORECASE)
    for kind, words in _WORDS.items()
}
_FOLDER: dict[Kind, re.Pattern[str]] = {
    kind: re.compile(rf"^(?:.+[ ._-])?(?:{words})$", re.IGNORECASE) for kind, words in _WORDS.items()
}
_ANY_WORD = re.compile("|".join(_WORDS.values()), re.IGNORECASE)
"""What a name of a companion must contain: most names contain none of it."""
_LOOKED_AT = 32
"""Pairs whose pixels are compared; if all of them agree, so do the others."""
_GREY_BINS, _LARGEST_BINS, _MASK_SHARE = 32, 4, 0.97
"""A mask has nearly all of its pixels in a few grey levels; JPEG blurs its edges."""
_FULL_SIDE = 256
"""A picture is looked at no larger than this."""
_SMALL, _LIKE = 32, 12
"""Two pictures are alike if half of the pixels of their thumbnails differ by no more than this (0 to 255)."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A file and the image that it belongs to by its name."""

    file: str
    of: str
    kind: Kind


@dataclass(frozen=True)
class Separated:
    """The files of a folder, told apart."""

    images: tuple[str, ...]
    companions: tuple[Pair, ...] = ()
    """Left out."""
    doubtful: tuple[Pair, ...] = ()
    """Used, though they have the name of a companion: their content does not agree with it."""
    alone: tuple[str, ...] = ()
    """Used, though they look like masks: no image of that name is beside them."""


def separate(root: Path, files: Sequence[str], rule: CompanionRule = "auto") -> Separated:
    """Tell images from what belongs to them.

    Args:
        root: what `files` are relative to.
        files: sorted, with forward slashes.
        rule: what is left out.
    """
    if rule == "keep":
        return Separated(tuple(files))
    pairs, alone = _pairs(files)
    by_name = [pair for pair in pairs if not _same_name(pair)] if rule == "skip" else []
    certain = {pair.file: pair for pair in [*_certain(root, pairs), *by_name]}
    return Separated(
        tuple(file for file in files if file not in certain),
        tuple(certain[file] for file in sorted(certain)),
        # Two pictures of one name and different formats are not doubtful: copies are found by their pixels.
        tuple(pair for pair in pairs if pair.file not in certain and not _same_name(pair)),
        tuple(_agreeing(alone, lambda file: looks_like_mask(root / file))),
    )


def _same_name(pair: Pair) -> bool:
    """Whether they differ by their suffix only."""
    file, of = PurePosixPath(pair.file), PurePosixPath(pair.of)
    return file.with_suffix("") == of.with_suffix("")


def names_companions(folder: str) -> bool:
    """Whether a folder of this name usually holds masks, annotations or thumbnails."""
    return _kind_of_folder(folder) is not None


def _pairs(files: Sequence[str]) -> tuple[list[Pair], list[str]]:
    """Pairs by name; and files that have the name of a companion but no image."""
    by_stem: dict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:  # by hand: paths as objects would take most of the time of listing a large folder
        place, _, name = file.casefold().rpartition("/")
        by_stem[place or ".", name.rpartition(".")[0]].append(file)
    pairs: list[Pair] = []
    alone: list[str] = []
    for (place, stem), here in by_stem.items():
        for file in here:
            kind, stems, places = _readings(place, stem)
            if kind is None:
                continue
            of = _first(by_stem, places, stems, file)
            if of is not None:
                pairs.append(Pair(file, of, kind))
            elif kind == "mask":
                alone.append(file)
        if len(here) > 1:
            pairs += [Pair(one, other, "mask") for one in here for other in here if one != other]
    return pairs, alone


def _readings(place: str, stem: str) -> tuple[Kind | None, list[str], list[str]]:
    """What a file would be by its name: its kind, the stems that its image may have, and where that may be."""
    kind, short = _kind_of_name(stem)
    if in_folder := _kind_of_folder(place.rpartition("/")[2]):
        folder = PurePosixPath(place)
        above = str(folder.parent)
        stems = [stem] if short is None else [short, stem]
        places = [
            above,
            *(str(folder.parent / name) for name in ("images", "image", "imgs", "img", "originals")),
        ]
        return in_folder, stems, places
    return (None, [], []) if short is None else (kind, [short], [place])


def _kind_of_name(stem: str) -> tuple[Kind | None, str | None]:
    if not _ANY_WORD.search(stem):
        return None, None
    for kind, pattern in _SUFFIX.items():
        if found := pattern.match(stem):
            return kind, found["stem"].rstrip(" ._-(")
    return None, None


@lru_cache(maxsize=1024)
def _kind_of_folder(name: str) -> Kind | None:
    return next((kind for kind, pattern in _FOLDER.items() if pattern.match(name)), None)


def _first(
    by_stem: dict[tuple[str, str], list[str]], places: Sequence[str], stems: Sequence[str], but: str
) -> str | None:
    for place in places:
        for stem in stems:
            for file in by_stem.get((place, stem), ()):
                if file != but:
                    return file
    return None


def _certain(root: Path, pairs: Sequence[Pair]) -> list[Pair]:
    """Those whose content agrees with their name; decided for each folder and kind at once, where all agree."""
    groups: dict[tuple[str, Kind, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        path, of = PurePosixPath(pair.file), PurePosixPath(pair.of)
        suffixes = f"{of.suffix}{path.suffix}" if _same_name(pair) else ""
        groups[str(path.parent), pair.kind, suffixes].append(pair)
    return [
        pair
        for group in groups.values()
        for pair in _agreeing(group, lambda pair: _agrees(root / pair.file, root / pair.of, pair.kind))
    ]


_T = TypeVar("_T")


def _agreeing(group: Sequence[_T], agrees: Callable[[_T], bool]) -> Sequence[_T]:
    """Those that agree: all where an evenly spread sample does, none where none of it does."""
    sample = [agrees(each) for each in group[:: -(-len(group) // _LOOKED_AT)]] if group else []
    if all(sample) or not any(sample):
        return group if all(sample) else ()
    return [each for each in group if agrees(each)]


def looks_like_mask(path: Path) -> bool:
    """Whether nearly all pixels of an image have one of a few values; False for a file that cannot be read."""
    return _quietly(lambda: _is_mask_file(path))


def _agrees(path: Path, of: Path, kind: Kind) -> bool:
    """Whether a file has the content that its name promises. Reads headers, and some pixels of both."""
    return _quietly(lambda: _is_companion(path, of, kind))


def _quietly(question: Callable[[], bool]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return question()
        except Exception:  # a broken file is no certain companion: decoding names it, with the reason
            return False


def _is_companion(path: Path, of: Path, kind: Kind) -> bool:
    with Image.open(path) as image, Image.open(of) as original:
        if not _same_shape(image.size, original.size):
            return False
        if kind == "mask":
            return _is_mask(image) and not _is_mask(original)
        if kind == "thumbnail" and image.size[0] >= original.size[0]:
            return False
        return _same_picture(image, original)


def _is_mask_file(path: Path) -> bool:
    with Image.open(path) as image:
        return _is_mask(image)


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, up to rounding."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)


def _same_picture(one: Image.Image, other: Image.Image) -> bool:
    """Whether two images show the same, apart from lines drawn into one of them."""
    small = [
        np.asarray(each.convert("L").resize((_SMALL, _SMALL)), dtype=np.float64) for each in (one, other)
    ]
    return bool(np.median(np.abs(small[0] - small[1])) <= _LIKE)


def _is_mask(image: Image.Image) -> bool:
    """Whether nearly all pixels have one of a few values."""
    if image.mode == "1":
        return True
    image.draft("L", (_FULL_SIDE, _FULL_SIDE))
    values = np.asarray(image if image.mode == "P" else image.convert("L")).astype(np.int64)
    step = max(1, min(values.shape) // _FULL_SIDE)
    values = values[::step, ::step]
    if image.mode == "P":
        return len(np.unique(values)) <= _GREY_BINS
    counts = np.sort(np.bincount(values.ravel() * _GREY_BINS // 256, minlength=_GREY_BINS))
    return bool(counts[-_LARGEST_BINS:].sum() >= _MASK_SHARE * values.size)
