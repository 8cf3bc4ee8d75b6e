"""Files that are reached twice (links, two forms of a path), and things that are no files and must never be opened."""

import os
import stat
from collections.abc import Callable, Sequence

from tools.datasets.assemble import Item
from tools.datasets.folder.source import FolderSource
from tools.errors import DataError
from tools.text import counted

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def check_files(items: Sequence[Item], source: FolderSource, where: Callable[[int], str]) -> list[str]:
    """Look at each file without opening it; notes about files that are there more than once.

    Args:
        items: all that will be opened.
        source: where they are.
        where: the place of an item (by position) for messages.

    Raises:
        DataError: one is not a regular file, or the same file has two labels.
    """
    first: dict[tuple[int, int], int] = {}
    again: list[tuple[int, int]] = []
    root = str(source.root)
    for at, item in enumerate(items):
        try:
            found = os.stat(os.path.join(root, item.file))
        except OSError:  # a broken link: reported where images are decoded, where such files may be skipped
            continue
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "something else")
            raise DataError(
                f"{where(at)}: {source.where(item.file)} is {kind}, not a file: remove it, or give the path of an image"
            )
        if not found.st_ino:  # a file system without numbers of files
            continue
        before = first.setdefault((found.st_dev, found.st_ino), at)
        if before != at:
            again.append((before, at))
    for before, at in again:
        one, other = items[before], items[at]
        if one.label != other.label:
            raise DataError(
                f"{where(at)}: {other.file} (label {other.label}) is the same file as {one.file} (label {one.label}, "
                f"from {where(before)}): one is a link to the other. Remove the wrong one."
            )
    if not again:
        return []
    before, at = again[0]
    return [
        f"{counted(len(again), 'file')} may be reached by another path too, and count twice, such as "
        f"{items[at].file} = {items[before].file}"
    ]
