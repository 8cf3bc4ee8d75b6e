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

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BROKEN = frozenset(
    {errno.EIO, errno.EFBIG, errno.ENOLCK, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EUCLEAN}
)
_FAULTS = _FULL | _REFUSED | _BROKEN

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
    reason = os.strerror(number)
    if number in _FULL:
        return DiskError(
            f"the disk is full: {place} cannot be written ({reason}; {free_space(place)}). Free some space: `agent "
            "cache` lists the decoded images and removes them, `agent generate --prune` removes synthetic images that "
            "no study uses."
        )
    if number in _REFUSED:
        return DiskError(
            f"{place} cannot be used ({reason}): check its owner and permissions, and whether the disk is mounted "
            "read-only."
        )
    if number == errno.EFBIG:
        return DiskError(
            f"{place} cannot be written ({reason}; {free_space(place)}): raise the limit on file sizes (ulimit -f), "
            "or use a file system that takes larger files."
        )
    if number == errno.ENOLCK:
        return DiskError(
            f"{place} cannot be locked ({reason}): this file system gives no locks, as some network mounts do. Mount "
            "it with locks, or choose a --runs-dir on a local disk."
        )
    return DiskError(
        f"{place} cannot be read or written ({reason}; {free_space(place)}): check the disk or the network mount, its "
        "cables and its log (dmesg)."
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


def free_space(place: Path) -> str:
    """How much room there is where `place` lies, or would lie, in words."""
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return "how much is free cannot be read"
    amount = f"{free / 2**30:.2f} GiB" if free >= 2**30 else f"{free / 2**20:.1f} MiB"
    return f"{amount} free"


def _system_error(error: BaseException) -> tuple[int, str] | None:
    """(number, file) of the system's error that `error` is or was raised for; the file may be empty."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and each.errno in _FAULTS:
            return each.errno, str(each.filename or "")
        quoted = _RUST_CODE.search(str(each))
        if quoted and int(quoted[1]) in _FAULTS:
            return int(quoted[1]), ""
        waiting += [each.__cause__, each.__context__]
    return None
