"""Find the images of a folder, its class folders and its split folders."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.datasets.types import Split

_JPEG = (".jpg", ".jpeg", ".jpe", ".jfif", ".jp2")
_NETPBM = (".ppm", ".pgm", ".pbm", ".pnm")
IMAGE_SUFFIXES = frozenset([*_JPEG, *_NETPBM, ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".tga"])

_SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def split_named(name: str) -> Split | None:
    """The split that people call `name` (any case), or None."""
    return _SPLIT_NAMES.get(name.strip().casefold())


SPLIT_SPELLINGS = ", ".join(_SPLIT_NAMES)
"""For messages."""


@dataclass(frozen=True)
class ImageFiles:
    """The images below a folder, and how many other files there are."""

    images: tuple[str, ...]
    """Paths relative to the root of the data set, with forward slashes, sorted."""
    ignored: int


def find_images(folder: Path, root: Path) -> ImageFiles:
    """All images in `folder` and below. Hidden files and folders are skipped and not counted.

    Linked folders are followed, each once, so that a link to a parent does not cause an endless loop.
    """
    images = []
    ignored = 0
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in files:
            if _hidden(name):
                continue
            if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES:
                images.append(Path(place, name).relative_to(root).as_posix())
            else:
                ignored += 1
    return ImageFiles(tuple(sorted(images)), ignored)


def subfolders(folder: Path) -> list[Path]:
    """Visible folders directly in `folder`, sorted by name."""
    return sorted(each for each in folder.iterdir() if each.is_dir() and not _hidden(each.name))


def folders_within(root: Path, levels: int) -> Iterator[Path]:
    """`root` and the visible folders down to `levels` below it, the nearest first."""
    level = [root] if root.is_dir() else []
    for _ in range(levels):
        yield from level
        level = [below for folder in level for below in subfolders(folder)]
    yield from level


def visible_files(folder: Path) -> list[Path]:
    """Visible files directly in `folder`, sorted by name."""
    return sorted(each for each in folder.iterdir() if each.is_file() and not _hidden(each.name))


def split_folders(folder: Path) -> dict[Split, list[Path]]:
    """Folders directly in `folder` that are named like splits and hold class folders, by split."""
    found: dict[Split, list[Path]] = {}
    for each in subfolders(folder):
        split = split_named(each.name)
        if split is not None and subfolders(each):
            found.setdefault(split, []).append(each)
    return found


def tree(lines: Sequence[str]) -> str:
    """Lines (a layout, commands), indented for a message."""
    return "\n".join(f"    {line}" for line in lines)


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
