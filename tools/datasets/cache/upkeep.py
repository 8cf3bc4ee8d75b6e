"""The folders of decoded images on disk: which there are, whether they are whole, and making room.

Everything in them can be made again from the images. What is being built is locked and never removed. A study that
runs opens its folder again and again without a lock; it is known by its own lock (`studies/NAME/lock`) and by having
opened its folder since it began, so nothing that was used since then is removed either. What only reads for itself
(`agent generate`, a notebook) cannot be told.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
from filelock import FileLock, Timeout

from tools.datasets.cache.pixels import FORMAT, USED, PixelFolder, read_part
from tools.datasets.cache.read import open_cache
from tools.errors import AugurError, ConfigurationError, DataError

INDEX = "content.sqlite"
_PARTIAL, _REMOVING, _LOCK = ".partial", ".removing", ".lock"
_NAME = re.compile(r"(?P<name>.+)-(?P<size>\d+)px-[0-9a-f]+(\.partial|\.removing)?")
DAY = 24 * 3600

State = Literal["finished", "interrupted", "being made", "left over"]


@dataclass(frozen=True)
class Shelved:
    """A folder of decoded images, or what is left of one."""

    folder: Path
    name: str
    """Of the data set; as far as its folder's name tells, where no study has opened it yet."""
    size: int
    """Side of the images in pixels; 0 where that cannot be told."""
    images: int
    """Those that are there."""
    of: int
    """Those that there should be; unreadable ones are not counted."""
    bytes: int
    """On disk."""
    views: int
    """Ways in which it was divided: splits, folds, few labels."""
    used: float
    """Seconds since the epoch."""
    state: State
    why: str = ""
    """For what is left over: of what."""


@dataclass(frozen=True)
class Removed:
    """What came of removing: what is gone, and what was kept and why."""

    gone: tuple[Shelved, ...]
    kept: tuple[tuple[Shelved, str], ...]


def look(root: Path) -> list[Shelved]:
    """Everything in the folder of all caches but the index of hashes, in the order of the names; changes nothing."""
    if not root.is_dir():
        return []
    found = [_folder(each) for each in sorted(root.iterdir()) if each.is_dir() and _NAME.fullmatch(each.name)]
    for lock in sorted(root.glob(f"*px-*{_LOCK}")):
        folder = lock.with_name(lock.name.removesuffix(_LOCK))
        if not folder.exists() and not folder.with_name(folder.name + _PARTIAL).exists():
            found.append(_left_over(lock, "the lock of a folder that is gone"))
    return found


def index_bytes(root: Path) -> int:
    """Size of the index of hashes, which saves reading unchanged images again."""
    return sum(_bytes(file) for file in root.glob(f"{INDEX}*"))


def chosen(
    shelf: Sequence[Shelved],
    names: Sequence[str] = (),
    older_than: float | None = None,
    *,
    only_left_over: bool = False,
    now: float | None = None,
) -> list[Shelved]:
    """Those that fit every condition.

    Args:
        shelf: as `look` returns it.
        names: data sets as they are listed, folders, or beginnings of a folder's name (NAME-SIZEpx…) that fit one.
        older_than: days since they were used last.
        only_left_over: what no version of the program uses any more.
        now: seconds since the epoch.

    Raises:
        ConfigurationError: a name fits nothing, or the beginning of a name fits several folders.
    """
    wanted = {each.folder for name in names for each in _named(shelf, name)} if names else None
    at = time.time() if now is None else now
    return [
        each
        for each in shelf
        if (wanted is None or each.folder in wanted)
        and (older_than is None or at - each.used > older_than * DAY)
        and (not only_left_over or each.state == "left over")
    ]


def remove(unwanted: Sequence[Shelved], studies: Path, *, dry_run: bool = False) -> Removed:
    """Remove folders with their locks, but for those that are being built or may be read by a running study.

    Args:
        unwanted: some of `look`.
        studies: the folder of all studies.
        dry_run: only say what would be removed.

    Raises:
        AugurError: something cannot be removed; what was removed before it is gone.
    """
    gone: list[Shelved] = []
    kept: list[tuple[Shelved, str]] = []
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


def verify(each: Shelved) -> str:
    """What is damaged in a finished folder, or '' where every pixel is as it was written; reads them all."""
    folder = PixelFolder(each.folder)
    try:
        book = folder.book()
        damaged = folder.damaged(np.flatnonzero(book["there"]))
        for view in _views(each.folder):
            open_cache(view)
    except (DataError, TypeError, KeyError) as error:
        return str(error)
    return f"{len(damaged):,} of {each.of:,} images are not as they were written" if damaged else ""


def _folder(folder: Path) -> Shelved:
    if folder.name.endswith(_REMOVING):
        return _left_over(folder, "a removal that was interrupted")
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
        images, of = int(np.count_nonzero(there)), len(there)
        of -= 0 if partial else len(pixels.unreadable())
    except DataError:
        images = of = 0
    complete = pixels.is_complete and not partial
    return Shelved(
        folder,
        _name(folder) or parts["name"],
        int(parts["size"]),
        images,
        of,
        _bytes(folder),
        len(list(_views(folder))),
        _used(folder),
        "being made" if busy else "finished" if complete else "interrupted",
    )


def _left_over(place: Path, why: str) -> Shelved:
    parts = _NAME.fullmatch(place.name.removesuffix(_LOCK))
    name, size = (parts["name"], int(parts["size"])) if parts else (place.name, 0)
    return Shelved(place, name, size, 0, 0, _bytes(place), 0, _used(place), "left over", why)


def _views(folder: Path) -> Iterator[Path]:
    return (meta.parent for meta in sorted(folder.glob("views/*/meta.json")) if "." not in meta.parent.name)


def _name(folder: Path) -> str:
    for view in _views(folder):
        with suppress(DataError, KeyError, TypeError):
            return read_part(view / "about.json")["card"]["name"]
    return ""


def _used(place: Path) -> float:
    """When it was opened last; of what has never been, when it changed last."""
    for file in (place / USED, place / "book.npy", place):
        with suppress(OSError):
            return file.stat().st_mtime
    return 0.0


def _bytes(place: Path) -> int:
    """On disk: a file of pixels that is being filled has holes."""
    files = place.rglob("*") if place.is_dir() else [place]
    total = 0
    for file in files:
        with suppress(OSError):
            state = file.lstat()
            total += getattr(state, "st_blocks", 0) * 512 or state.st_size
    return total


def _named(shelf: Sequence[Shelved], name: str) -> list[Shelved]:
    own = [each for each in shelf if name in (each.name, each.folder.name)]
    if own:
        return own
    # With the size, so that half a name of a data set is a slip and not a folder.
    starts = [each for each in shelf if "px" in name and each.folder.name.startswith(name)]
    if len(starts) == 1:
        return starts
    if starts:
        raise ConfigurationError(
            f"{name!r} fits {len(starts)} folders ({', '.join(each.folder.name for each in starts[:5])}): give the "
            "name of a data set or of one folder; see agent cache"
        )
    known = sorted({each.name for each in shelf})
    near = get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
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
            # Written at the beginning of each sitting, before the study opens its images.
            with suppress(OSError):
                yield lock.parent.name, (lock.parent / "config.yaml").stat().st_mtime


@contextmanager
def _unlocked(folder: Path) -> Iterator[bool]:
    """Whether nobody builds the folder; while it is so, nobody begins to."""
    lock = folder.with_name(re.sub(r"(\.partial|\.removing|\.lock)$", "", folder.name) + _LOCK)
    before, there = lock.exists(), folder.is_dir()
    try:
        held = FileLock(lock, timeout=0)
        held.acquire()
    except Timeout:
        yield False
        return
    except OSError:  # a shelf that may only be read
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
            # Renamed first: killed on the way, what is left of it is no folder that a study would open.
            doomed = place.with_name(place.name + _REMOVING)
            os.replace(place, doomed)
        shutil.rmtree(doomed)
    except OSError as error:
        raise AugurError(
            f"{place} cannot be removed ({error.strerror or error}): is it yours, and may its folder be written?"
        ) from error
