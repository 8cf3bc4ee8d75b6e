"""The folders of decoded images on disk: list, verify and remove them.

Everything in them can be made again from the images. A folder that is being built is locked and never removed. A
running study opens its folder repeatedly without a lock; it is known by its own lock (`studies/NAME/lock`), and no
folder that was used since the study began is removed either. Other readers (`agent generate`, a notebook) cannot be
detected.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock, Timeout

from tools.datasets.cache.pixels import FORMAT, USED, PixelFolder, read_part
from tools.datasets.cache.read import open_cache
from tools.errors import AugurError, ConfigurationError, DataError, did_you_mean

INDEX = "content.sqlite"
_PARTIAL, _REMOVING, _LOCK = ".partial", ".removing", ".lock"
_NAME = re.compile(r"(?P<name>.+)-(?P<size>\d+)px-[0-9a-f]+(\.partial|\.removing)?")
DAY = 24 * 3600

FolderState = Literal["finished", "interrupted", "being made", "left over"]


@dataclass(frozen=True)
class CacheFolder:
    """A folder of decoded images, or the remains of one."""

    folder: Path
    name: str
    """Of the data set; only as in the name of the folder if no study has opened it yet."""
    size: int
    """Side of the images in pixels; 0 if unknown."""
    images: int
    """Number of images that are there."""
    expected: int
    """Number of images when complete, without unreadable ones."""
    bytes: int
    """On disk."""
    views: int
    """Number of ways in which they were divided: splits, folds, few labels."""
    used: float
    """When it was last used, in seconds since the epoch."""
    state: FolderState
    why: str = ""
    """What it is left over from."""


@dataclass(frozen=True)
class Removed:
    """What was removed, and what was kept and why."""

    gone: tuple[CacheFolder, ...]
    kept: tuple[tuple[CacheFolder, str], ...]


def list_folders(root: Path) -> list[CacheFolder]:
    """Everything in the folder of all caches except the index of hashes, sorted by name."""
    if not root.is_dir():
        return []
    found = [_folder(each) for each in sorted(root.iterdir()) if each.is_dir() and _NAME.fullmatch(each.name)]
    for lock in sorted(root.glob(f"*px-*{_LOCK}")):
        folder = lock.with_name(lock.name.removesuffix(_LOCK))
        if not folder.exists() and not folder.with_name(folder.name + _PARTIAL).exists():
            found.append(_left_over(lock, "the lock of a folder that is gone"))
    return found


def index_bytes(root: Path) -> int:
    """Bytes of the index of hashes, which saves reading unchanged images again."""
    return sum(_bytes_on_disk(file) for file in root.glob(f"{INDEX}*"))


def select(
    folders: Sequence[CacheFolder],
    names: Sequence[str] = (),
    older_than: float | None = None,
    *,
    only_left_over: bool = False,
    now: float | None = None,
) -> list[CacheFolder]:
    """The folders that meet every condition.

    Args:
        folders: as `list_folders` returns it.
        names: of data sets as listed, of folders, or beginnings of one folder's name (NAME-SIZEpx…).
        older_than: days since their last use.
        only_left_over: only what this version of the program does not use.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: a name matches nothing, or the beginning of a name matches several folders.
    """
    wanted = {each.folder for name in names for each in _named(folders, name)} if names else None
    at = time.time() if now is None else now
    return [
        each
        for each in folders
        if (wanted is None or each.folder in wanted)
        and (older_than is None or at - each.used > older_than * DAY)
        and (not only_left_over or each.state == "left over")
    ]


def remove(unwanted: Sequence[CacheFolder], studies: Path, *, dry_run: bool = False) -> Removed:
    """Remove folders with their locks, except those that are being built or that a running study may be reading.

    Args:
        unwanted: some of those that `list_folders` returned.
        studies: the folder of all studies.
        dry_run: only say what would be removed.

    Raises:
        AugurError: a folder cannot be removed; those before it have been removed.
    """
    gone: list[CacheFolder] = []
    kept: list[tuple[CacheFolder, str]] = []
    running = list(_running(studies))
    for each in unwanted:
        reader = next((study for study, since in running if each.used >= since), None)
        if reader is not None and each.state in ("finished", "interrupted"):
            kept.append((each, f"the study {reader} is running and may read it"))
            continue
        with _unlocked(each.folder) as free:
            if not free:
                kept.append((each, "it is being built"))
                continue
            if not dry_run:
                _delete(each.folder)
            gone.append(each)
    return Removed(tuple(gone), tuple(kept))


def verify(each: CacheFolder) -> str:
    """What is damaged in a finished folder, or '' if every pixel is as it was written. Reads them all."""
    folder = PixelFolder(each.folder)
    try:
        book = folder.book()
        damaged = folder.damaged(np.flatnonzero(book["there"]))
        for view in _views(each.folder):
            open_cache(view)
    except (DataError, TypeError, KeyError) as error:
        return str(error)
    return f"{len(damaged):,} of {each.expected:,} images are not as they were written" if damaged else ""


def _folder(folder: Path) -> CacheFolder:
    if folder.name.endswith(_REMOVING):
        return _left_over(folder, "an interrupted removal")
    parts = _NAME.fullmatch(folder.name)
    assert parts is not None
    pixels = PixelFolder(folder)
    try:
        version = read_part(folder / "decoding.json").get("format")
    except DataError:
        version = None
    partial = folder.name.endswith(_PARTIAL)
    with _unlocked(folder) as free:
        busy = not free
    if version != FORMAT and not (version is None and partial):
        return _left_over(folder, "another version of the program")
    try:
        there = pixels.book()["there"]
        images, expected = int(np.count_nonzero(there)), len(there)
        expected -= 0 if partial else len(pixels.unreadable())
    except DataError:
        images = expected = 0
    complete = pixels.is_complete and not partial
    return CacheFolder(
        folder,
        _name(folder) or parts["name"],
        int(parts["size"]),
        images,
        expected,
        _bytes_on_disk(folder),
        len(list(_views(folder))),
        _last_used(folder),
        "being made" if busy else "finished" if complete else "interrupted",
    )


def _left_over(place: Path, why: str) -> CacheFolder:
    parts = _NAME.fullmatch(place.name.removesuffix(_LOCK))
    name, size = (parts["name"], int(parts["size"])) if parts else (place.name, 0)
    return CacheFolder(place, name, size, 0, 0, _bytes_on_disk(place), 0, _last_used(place), "left over", why)


def _views(folder: Path) -> Iterator[Path]:
    return (meta.parent for meta in sorted(folder.glob("views/*/meta.json")) if "." not in meta.parent.name)


def _name(folder: Path) -> str:
    for view in _views(folder):
        with suppress(DataError, KeyError, TypeError):
            return read_part(view / "about.json")["card"]["name"]
    return ""


def _last_used(place: Path) -> float:
    """When it was last opened; if never, when it was last changed."""
    for file in (place / USED, place / "book.npy", place):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def _bytes_on_disk(place: Path) -> int:
    """On disk: a file of pixels that is being filled is sparse."""
    files = place.rglob("*") if place.is_dir() else [place]
    total = 0
    for file in files:
        with suppress(OSError):
            state = file.lstat()
            total += getattr(state, "st_blocks", 0) * 512 or state.st_size
    return total


def _named(folders: Sequence[CacheFolder], name: str) -> list[CacheFolder]:
    own = [each for each in folders if name in (each.name, each.folder.name)]
    if own:
        return own
    # Only with the size: half the name of a data set is a mistake, not a folder.
    starts = [each for each in folders if "px" in name and each.folder.name.startswith(name)]
    if len(starts) == 1:
        return starts
    if starts:
        raise ConfigurationError(
            f"{name!r} matches {len(starts)} folders ({', '.join(each.folder.name for each in starts[:5])}): give the "
            "name of a data set or of one folder; see agent cache"
        )
    known = sorted({each.name for each in folders})
    hint = f"{did_you_mean(name, known)} ".lstrip()
    raise ConfigurationError(
        f"there are no decoded images of {name!r}: {hint}There are those of {', '.join(known) or 'no data set'}."
    )


def _running(studies: Path) -> Iterator[tuple[str, float]]:
    """Studies that a process is running, and since when."""
    for lock in studies.glob("*/lock"):
        try:
            with FileLock(lock, timeout=0):
                continue
        except Timeout:
            # Written at the start of each session, before the study opens its images.
            with suppress(OSError):
                yield lock.parent.name, (lock.parent / "config.yaml").stat().st_mtime


@contextmanager
def _unlocked(folder: Path) -> Iterator[bool]:
    """Whether no process is building the folder; until the block ends, none can start to."""
    lock = folder.with_name(re.sub(r"(\.partial|\.removing|\.lock)$", "", folder.name) + _LOCK)
    before, there = lock.exists(), folder.is_dir()
    try:
        held = FileLock(lock, timeout=0)
        held.acquire()
    except Timeout:
        yield False
        return
    except OSError:  # a read-only disk
        yield True
        return
    try:
        yield True
    finally:
        place = lock.with_name(lock.name.removesuffix(_LOCK))
        if not before or (
            there and not place.exists() and not place.with_name(place.name + _PARTIAL).exists()
        ):
            lock.unlink(missing_ok=True)
        held.release()


def _delete(place: Path) -> None:
    try:
        if not place.is_dir():
            place.unlink(missing_ok=True)
            return
        doomed = place
        if not place.name.endswith(_REMOVING):
            # Renamed first: after a kill, no study would open what is left.
            doomed = place.with_name(place.name + _REMOVING)
            os.replace(place, doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise AugurError(
            f"{place} cannot be removed ({error.strerror or error}): check the permissions of {place.parent}"
        ) from error
