"""Find the image that a table means: by its path or name, with or without the ending, in whatever folder it is."""

import os
import unicodedata
from collections.abc import Iterable, Sequence

from tools.datasets.folder.walk import IMAGE_SUFFIXES


class ImageIndex:
    """Images by their names, compared without regard to case, Unicode form and kind of slash."""

    def __init__(self, files: Iterable[str]) -> None:
        """`files`: paths relative to the root of the data set, with forward slashes."""
        self._by_stem: dict[str, list[str]] = {}
        for file in files:
            self._by_stem.setdefault(_stem(comparable(file)), []).append(file)

    def __contains__(self, name: str) -> bool:
        return (
            comparable(name).rpartition("/")[2] in self._by_stem or _stem(comparable(name)) in self._by_stem
        )

    def find(self, name: str) -> Sequence[str]:
        """The images that `name` may mean: those that agree with most of its folders, from the last one on.

        An ending must agree if `name` has that of an image. Several: it is ambiguous. None: there is no such image.
        """
        wanted = comparable(name)
        found = self._by_stem.get(_stem(wanted), [])
        if ending(wanted):
            found = [file for file in found if ending(comparable(file)) == ending(wanted)]
        if len(found) < 2:
            return found
        agreeing = [_common_tail(wanted, comparable(file)) for file in found]
        best = [file for file, many in zip(found, agreeing, strict=True) if many == max(agreeing)]
        exact = [file for file in best if _stem(file) == _stem(name.replace("\\", "/"))]
        return exact or best


def comparable(path: str) -> str:
    """A path as it is compared: NFC, case folded, forward slashes, without '.' and what '..' takes back."""
    text = unicodedata.normalize("NFC", path.replace("\\", "/").strip()).casefold()
    return os.path.normpath(text) if text else ""


def ending(path: str) -> str:
    """The ending of a path in lower case if it is one of images, else ''."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix if suffix in IMAGE_SUFFIXES else ""


def _stem(path: str) -> str:
    name = path.rpartition("/")[2]
    return name[: len(name) - len(ending(name))]


def _common_tail(one: str, other: str) -> int:
    """How many folders agree, counted from the last one."""
    count = 0
    for mine, yours in zip(reversed(one.split("/")[:-1]), reversed(other.split("/")[:-1]), strict=False):
        if mine != yours:
            break
        count += 1
    return count
