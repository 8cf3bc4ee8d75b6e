"""Disk space of the store: how much is taken, whether more fits, and errors that say what to do when it does not."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.disk import DiskError, disk_error


class DiskFullError(DiskError):
    """There is no room, or no more than `aga.max_disk_gib` allows. What is finished stays finished."""


@contextmanager
def disk_errors_explained(folder: Path, needed: int) -> Iterator[None]:
    """Turns the system's refusal to write in `folder` into an error that says how many bytes were needed, and where.

    Raises:
        DiskFullError: the disk or the quota is full.
        DiskError: the folder cannot be written for another reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"the disk is full: the synthetic images need {_size(needed)} in {folder}, and "
                f"{_size(shutil.disk_usage(folder).free)} are free. Free some space (`agent generate --prune` removes "
                "what no study uses, `agent cache` decoded images), or choose another --runs-dir, and run again."
            ) from error
        # Not where a tool failed on a file of its own, such as a model that may not be read.
        ours = error.filename is None or Path(error.filename).is_relative_to(folder)
        explained = disk_error(error, folder) if ours else None
        if explained is None:
            raise
        raise explained from error


def check_room(root: Path, needed: int, max_gib: float) -> None:
    """Refuse to begin what would not fit.

    Args:
        needed: bytes still to be written, at most.
        max_gib: that the whole of `root` may take.

    Raises:
        DiskFullError: it would not fit on the disk, or take `root` above `max_gib`.
    """
    with disk_errors_explained(root, needed):
        root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DiskFullError(
            f"the synthetic images need up to {_size(needed)} in {root}, and {_size(free)} are free: free some "
            "space, choose another --runs-dir, or make fewer (a smaller scale or aga.pool)"
        )
    taken = disk_usage(root)
    if taken + needed > max_gib * 2**30:
        raise DiskFullError(
            f"the synthetic images need up to {_size(needed)}, and {root} already takes {_size(taken)} of the "
            f"{max_gib:g} GiB that aga.max_disk_gib allows: remove unused sets with `agent generate --prune`, or "
            "raise it"
        )


def _size(count: float) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def disk_usage(folder: Path) -> int:
    """Bytes of all files in the folder."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                total += (Path(place) / name).stat().st_size
    return total
