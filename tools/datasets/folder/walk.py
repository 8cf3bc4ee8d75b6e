"""Find the images of a folder, its class folders and its split folders."""

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.datasets.folder.companions import CompanionRule, Pair, separate
from tools.datasets.formats import image_suffixes, kind_of
from tools.datasets.types import Split
from tools.errors import DataError

IMAGE_SUFFIXES = image_suffixes()

_SYSTEM_FOLDERS = frozenset(
    [
        "__macosx",
        "@eadir",
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "lost+found",
        "network trash folder",
        "temporary items",
        "thevolumesettingsfolder",
        "__pycache__",
    ]
)
"""Folders that operating systems and network storage make for themselves, in lower case."""
_THUMBNAIL = re.compile(r"synophoto_thumb_|synoindex_|synovideo_", re.IGNORECASE)
_FIRST_BYTES = 4_096

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
    """The images below a folder, and what else is there."""

    images: tuple[str, ...]
    """Paths relative to the root of the data set, with forward slashes, sorted."""
    ignored: int = 0
    """How many other files there are."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Their number by suffix, in lower case with its dot; '' for files without one."""
    unnamed: tuple[str, ...] = ()
    """Files without a suffix that are images by their first bytes."""
    special: tuple[str, ...] = ()
    """What is neither file nor folder, or a link to nothing, each with what it is. It was not opened."""
    passed_over: Mapping[str, int] = field(default_factory=dict)
    """Images in folders of the system, hidden ones and thumbnails of a file manager: number by where."""
    companions: tuple[Pair, ...] = ()
    """Masks, annotated copies and thumbnails of images, which are left out."""
    doubtful: tuple[Pair, ...] = ()
    """Files among `images` with the name, but not the content, of a companion."""
    alone: tuple[str, ...] = ()
    """Files among `images` that look like masks of images that are not there."""


def find_images(
    folder: Path,
    root: Path,
    companions: CompanionRule = "auto",
    excluded: Callable[[str], bool] = lambda folder: False,
) -> ImageFiles:
    """All images in `folder` and below, and what else is there. Nothing but regular files is opened.

    Linked folders are followed, each once, so that a link to a parent does not cause an endless loop. Hidden files and
    folders, and those that a system makes for itself, are skipped.

    Args:
        folder: where to look.
        root: what the paths are relative to.
        companions: what is done with masks, annotated copies and thumbnails that lie beside their images.
        excluded: whether to leave out a folder, by its path relative to `root`.

    Raises:
        DataError: a folder cannot be listed.
    """
    found = _Found(root, excluded)
    found.look(folder, set())
    told = separate(root, sorted(found.images), companions)
    return ImageFiles(
        told.images,
        sum(found.left_out.values()),
        found.left_out,
        tuple(sorted(found.unnamed)),
        tuple(sorted(found.special)),
        found.passed_over,
        told.companions,
        told.doubtful,
        told.alone,
    )


class _Found:
    """What a walk has found so far."""

    def __init__(self, root: Path, excluded: Callable[[str], bool]) -> None:
        self._root, self._excluded = root, excluded
        self._suffixes = image_suffixes()
        self.images: list[str] = []
        self.unnamed: list[str] = []
        self.special: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.passed_over: Counter[str] = Counter()

    def look(self, folder: Path, seen: set[str]) -> None:
        """Sort everything in `folder` and below; `seen` holds the real paths of the folders that were looked at."""
        real = os.path.realpath(folder)
        if real in seen:
            return
        seen.add(real)
        inside = folder.relative_to(self._root).as_posix()
        prefix = "" if inside == "." else f"{inside}/"
        below = []
        for entry in _entries(folder):
            if _is_folder(entry):
                below.append(entry)
            elif _is_file(entry):
                self._sort(entry, prefix + entry.name)
            elif not _hidden(entry.name):
                self.special.append(f"{prefix}{entry.name} ({_what_is(entry.path)})")
        for entry in below:
            if not _hidden(entry.name):
                if not self._excluded(prefix + entry.name):
                    self.look(Path(entry.path), seen)
            elif not entry.is_symlink() and (images := _count_images(entry.path)):
                self.passed_over[entry.name] += images

    def _sort(self, entry: "os.DirEntry[str]", name: str) -> None:
        suffix = os.path.splitext(entry.name)[1].lower()
        if _hidden(entry.name):
            # macOS keeps a file's attributes in ._NAME, which has the name of an image and is none.
            if suffix in self._suffixes and not entry.name.startswith("._"):
                self.passed_over["hidden files"] += 1
        elif _THUMBNAIL.match(entry.name):
            self.passed_over["thumbnails of a file manager"] += 1
        elif suffix in self._suffixes:
            self.images.append(name)
        else:
            self.left_out[suffix] += 1
            if not suffix and _kind_of_file(entry.path):
                self.unnamed.append(name)


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"the folder {folder} cannot be listed ({error.strerror}), so images in it would be missing: allow it to "
            "be read, or move it out of the data set"
        ) from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or through a folder that may not be read
        return False


def _is_file(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _what_is(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return "a link to nothing" if os.path.islink(path) else f"cannot be looked at: {error.strerror}"
    kinds = (
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((what for test, what in kinds if test(mode)), "no regular file")


def _kind_of_file(path: str) -> str:
    try:
        with open(path, "rb") as opened:
            return kind_of(opened.read(_FIRST_BYTES))
    except OSError:
        return ""


def _count_images(folder: str) -> int:
    return sum(
        os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        for _, _, names in os.walk(folder)
        for name in names
    )


def passed_over_at(folder: Path) -> dict[str, int]:
    """Hidden and system folders directly in `folder` that hold images: number of images by name."""
    counts = {
        entry.name: _count_images(entry.path)
        for entry in _entries(folder)
        if _hidden(entry.name) and entry.is_dir(follow_symlinks=False)
    }
    return {name: count for name, count in counts.items() if count}


def images_directly_in(folder: Path, root: Path, companions: CompanionRule = "auto") -> ImageFiles:
    """As `find_images`, without the folders below."""
    return find_images(folder, root, companions, lambda below: True)


def subfolders(folder: Path) -> list[Path]:
    """Visible folders directly in `folder`, sorted by name; those that a system makes for itself are no such.

    Raises:
        DataError: it cannot be listed.
    """
    return [Path(entry.path) for entry in _entries(folder) if _is_folder(entry) and not _hidden(entry.name)]


def folders_within(root: Path, levels: int) -> Iterator[Path]:
    """`root` and the visible folders down to `levels` below it, the nearest first."""
    level = [root] if root.is_dir() else []
    for _ in range(levels):
        yield from level
        level = [below for folder in level for below in subfolders(folder)]
    yield from level


def visible_files(folder: Path) -> list[Path]:
    """Visible files directly in `folder`, sorted by name."""
    return [Path(entry.path) for entry in _entries(folder) if _is_file(entry) and not _hidden(entry.name)]


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
    return name.startswith(".") or name.casefold() in _SYSTEM_FOLDERS
