"""What a disk refuses, as an error that says where, how much room is left, and what to delete.

A full disk, a quota, a read-only mount or a failing device says nothing about a policy or a proposal. Whatever meets
one stops in a way that can be resumed, and no trial is judged by it.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.errors import AugurError

_ROOM = (
    "free some space: `agent cache` lists the decoded images and removes them, `agent generate --prune` removes "
    "synthetic images that no study uses"
)
_OWNER = (
    "check its owner and permissions, and whether the disk is mounted read-only; or choose another folder "
    "(--runs-dir, --out)"
)
_HARDWARE = "check the disk or the network mount, and the system's log (dmesg)"
_IN_THE_WAY = (
    "something else stands in its place: move that away, or choose another folder (--runs-dir, --out)"
)
_REMEDIES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or use a file system that takes larger files",
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EROFS: _OWNER,
    errno.EIO: _HARDWARE,
    errno.ESTALE: _HARDWARE,
    errno.ENXIO: _HARDWARE,
    errno.ENODEV: _HARDWARE,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.ENAMETOOLONG: "choose a shorter path (--runs-dir, --out)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the system's limit on open files (fs.file-max)",
    errno.ENOLCK: "this file system gives no locks, as some network mounts do: mount it with locks, or choose a "
    "--runs-dir on a local disk",
}
"""What to do about each of the system's refusals that say nothing about a trial."""

_GONE = {errno.ENOENT: "it may have been moved or deleted: restore it"}
"""Nothing that a disk refuses, but as good an answer for the person at the terminal."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk that has no space left."""

_RUST_CODE = re.compile(r"\(os error (\d+)\)")
"""How safetensors, which is written in Rust, quotes the system."""


class DiskError(AugurError):
    """The disk is full, read-only, failing, or may not be used. What was finished before is kept."""

    resumable = True


def disk_error(error: BaseException, folder: Path) -> DiskError | None:
    """The error for the person at the terminal where `error` goes back to the disk, else None.

    Libraries wrap what the system said, so the causes of `error` are searched, too.

    Args:
        error: as it was caught.
        folder: that was worked in, for the text where the system named no file.
    """
    if isinstance(error, DiskError):
        return error
    found = _system_error(error)
    if found is None:
        return None
    number, name = found
    place = Path(name) if name else folder
    what = "the disk is full: " if number in FULL else ""
    room = f"; {free_space(place)}" if number in (*FULL, errno.EFBIG, errno.EIO) else ""
    return DiskError(
        f"{what}{place} cannot be written or read ({os.strerror(number)}{room}). What to do: {_REMEDIES[number]}."
    )


@contextmanager
def disk_errors_explained(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses in this block into a `DiskError`; everything else is raised as it is."""
    try:
        yield
    except Exception as error:
        explained = disk_error(error, folder)
        if explained is None or explained is error:
            raise
        raise explained from error


def is_explainable(error: OSError) -> bool:
    """Whether `error` is about files and disks, and so about something that a person can change."""
    known = error.errno in _REMEDIES or error.errno in _GONE
    return known and not isinstance(error, (ConnectionError, TimeoutError))


def explain(error: OSError, path: Path | str | None = None) -> str:
    """One or two sentences: the file, the system's reason, and the remedy.

    Args:
        error: one for which `is_explainable` holds.
        path: the file or folder, where the system does not name it (a failed write, for example).
    """
    name = error.filename2 or error.filename or path
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    reason = error.strerror or type(error).__name__
    known = isinstance(name, (str, Path))
    what = f"{name}: {reason}" if known else reason
    free = f" ({free_space(Path(name))})" if error.errno in FULL and known else ""
    return f"{what}{free}; {(_REMEDIES | _GONE).get(error.errno or 0, 'check the file')}."


def refuse_unwritable(folder: Path) -> None:
    """See, without a trace, whether `folder` can be made or written to.

    Raises:
        OSError: it cannot, as the system would say it.
    """
    there = _nearest(folder)
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK | os.X_OK):
        number = errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES
        raise OSError(number, os.strerror(number), str(there))


def free_space(place: Path) -> str:
    """How much room there is where `place` lies, or would lie, in words."""
    place = _nearest(place)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return "how much is free cannot be read"
    amount = f"{free / 2**30:.2f} GiB" if free >= 2**30 else f"{free / 2**20:.1f} MiB"
    return f"{amount} free"


def _nearest(place: Path) -> Path:
    """`place`, or what there is of the folders above it."""
    while not place.exists() and place != place.parent:
        place = place.parent
    return place


def _system_error(error: BaseException) -> tuple[int, str] | None:
    """(number, file) of the system's error that `error` is or was raised for; the file may be empty."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and each.errno in _REMEDIES:
            return each.errno, str(each.filename or "")
        quoted = _RUST_CODE.search(str(each))
        if quoted and int(quoted[1]) in _REMEDIES:
            return int(quoted[1]), ""
        waiting += [each.__cause__, each.__context__]
    return None
