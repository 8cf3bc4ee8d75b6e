"""Find the image that a table means: by its path or name, with or without the ending, in whatever folder it is."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.datasets.folder.walk import IMAGE_SUFFIXES


class ImageIndex:
    """Images by their names, compared without regard to case, Unicode form and kind of slash."""

    def __init__(self, files: Iterable[str]) -> None:
        """`files`: paths relative to the root of the data set, with forward slashes."""
        self._by_stem: dict[str, list[_Image]] = {}
        self._by_tail: dict[str, list[_Image]] = {}
        self._by_path: dict[str, list[_Image]] = {}
        for file in files:
            path = comparable(file)
            image = _Image(file, path, ending(path))
            short = path[: len(path) - len(image.ending)]
            self._by_stem.setdefault(_tail(short, 1), []).append(image)
            self._by_tail.setdefault(_tail(short, 2), []).append(image)
            self._by_path.setdefault(short, []).append(image)

    def __contains__(self, name: str) -> bool:
        return _tail(_without_ending(comparable(name)), 1) in self._by_stem

    def find(self, name: str) -> Sequence[str]:
        """The images that `name` may mean: those that agree with most of its folders, from the last one on.

        An ending must agree if `name` has that of an image. Several: it is ambiguous. None: there is no such image.
        """
        wanted = comparable(name)
        short, kind = _without_ending(wanted), ending(wanted)
        for found in (
            self._by_path.get(short, ()),
            self._by_tail.get(_tail(short, 2), ()),
            self._by_stem.get(_tail(short, 1), ()),
        ):
            same = [image for image in found if not kind or image.ending == kind]
            if same:
                return _nearest(wanted, name, same)
        return []


@dataclass(frozen=True, slots=True)
class _Image:
    file: str
    path: str
    """As it is compared."""
    ending: str


def _nearest(wanted: str, name: str, images: Sequence[_Image]) -> list[str]:
    if len(images) == 1:
        return [images[0].file]
    agreeing = [_common_tail(wanted, image.path) for image in images]
    most = max(agreeing)
    best = [image.file for image, many in zip(images, agreeing, strict=True) if many == most]
    stem = _tail(_without_ending(name.replace("\\", "/")), 1)
    return [file for file in best if _tail(_without_ending(file), 1) == stem] or best


def comparable(path: str) -> str:
    """A path as it is compared: NFC, case folded, forward slashes, without '.' and what '..' takes back."""
    text = unicodedata.normalize("NFC", path.replace("\\", "/").strip()).casefold()
    return os.path.normpath(text) if text else ""


def ending(path: str) -> str:
    """The ending of a path in lower case if it is one of images, else ''."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix if suffix in IMAGE_SUFFIXES else ""


def _without_ending(path: str) -> str:
    return path[: len(path) - len(ending(path))]


def _tail(path: str, parts: int) -> str:
    """The last parts of a path."""
    return "/".join(path.split("/")[-parts:])


def _common_tail(one: str, other: str) -> int:
    """How many folders agree, counted from the last one."""
    count = 0
    for mine, yours in zip(reversed(one.split("/")[:-1]), reversed(other.split("/")[:-1]), strict=False):
        if mine != yours:
            break
        count += 1
    return count
