"""What the operating system refused, in words: which file, why, and what to do about it."""

import errno
import os
import shutil
from pathlib import Path

_REMEDIES: dict[int, str] = {
    errno.ENOSPC: "free some space there (`agent cache` lists decoded images that can be removed)",
    errno.EDQUOT: "free some space there, since your quota is used up (see `agent cache`)",
    errno.EFBIG: "a limit on the size of files was reached: raise it (`ulimit -f`)",
    errno.EROFS: "choose a folder that can be written to, such as another --runs-dir",
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its owner or permissions, or choose another folder",
    errno.ENOTDIR: "a part of that path is a file: choose another folder",
    errno.EISDIR: "there is a folder where a file should be: move it away",
    errno.EEXIST: "there is a file where a folder should be: move it away, or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "its symbolic links lead in a circle: fix them, or choose another folder",
    errno.ENOENT: "it may have been moved or deleted: restore it",
    errno.EIO: "the disk or the network drive failed: check it",
    errno.ESTALE: "the network drive was lost: mount it again",
    errno.ENODEV: "the drive is gone: mount it again",
    errno.EMFILE: "too many files are open: raise the limit (`ulimit -n`)",
    errno.ENFILE: "too many files are open on this machine: end other programs",
}
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers of a disk that has no space left."""


def is_explainable(error: OSError) -> bool:
    """Whether `error` is about files and disks, and so about something that a person can change."""
    return error.errno in _REMEDIES and not isinstance(error, (ConnectionError, TimeoutError))


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
    what = f"{name}: {reason}" if isinstance(name, (str, Path)) else reason
    free = _free(name) if error.errno in FULL and isinstance(name, (str, Path)) else ""
    return f"{what}{free}; {_REMEDIES.get(error.errno or 0, 'check the file')}."


def _free(path: Path | str) -> str:
    place = Path(path).absolute()
    for folder in (place, *place.parents):
        try:
            return f" ({shutil.disk_usage(folder).free / 2**20:.0f} MiB free)"
        except OSError:
            continue
    return ""
