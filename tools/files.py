"""Files that are on disk whole or not at all, whatever happens to the process that writes them.

Every file that another process may read, or that a resumed run relies on, is written under a temporary name beside it
(or in `scratch`, a folder on the same disk that is emptied after a crash), synced, and renamed; then its folder is
synced, so that the new name survives a power cut. A JSON file that decides what is believed carries its own checksum.
"""

import errno
import glob
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from filelock import BaseFileLock, FileLock, Timeout

from tools.disk import disk_error
from tools.errors import AugurError, DataError

if TYPE_CHECKING:
    import numpy as np

_Parsed = TypeVar("_Parsed")

_CHECKSUM = "sha256"
"""Key of a file's own checksum in its JSON."""

_counter = itertools.count()


class DamagedFile(DataError):
    """A file is torn, was changed, or is not what its name says."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file} is damaged ({reason})")
        self.file = file


@contextmanager
def written_whole(file: Path, scratch: Path | None = None) -> Iterator[Path]:
    """A temporary path to write to. It becomes `file` when the block ends, and is deleted if the block raises.

    Args:
        file: to replace; its folder is made if it is missing.
        scratch: folder on the same disk for the temporary file; None means the folder of `file`.

    Raises:
        OSError: as the system raises it.
    """
    make_folder(file.parent)
    temporary = (scratch or file.parent) / f".{file.name}.{os.getpid()}-{next(_counter)}.writing"
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, file)
        sync_folder(file.parent)
    except BaseException:
        with suppress(OSError):  # the error that is on its way says more
            temporary.unlink(missing_ok=True)
        raise


def remove_unfinished(file: Path) -> None:
    """Delete what killed processes left of writing `file`. Only for a caller that knows nobody else is writing it."""
    for temporary in file.parent.glob(f".{glob.escape(file.name)}.*.writing"):
        temporary.unlink(missing_ok=True)


def write_whole(file: Path, data: bytes, scratch: Path | None = None) -> None:
    """Replace `file` with `data`; see `written_whole`."""
    with written_whole(file, scratch) as temporary:
        temporary.write_bytes(data)


def write_json(file: Path, data: object, scratch: Path | None = None) -> None:
    """Replace `file` with `data` as JSON; see `written_whole`."""
    write_whole(file, json.dumps(data, indent=1).encode(), scratch)


def mend_last_line(file: Path) -> None:
    """Mend the end of a file of JSON lines, so that another line may be appended: a process may have been killed there.

    A last line that lacks only its line break gets it; one that is torn is dropped. Only for a caller that knows that
    nobody else is writing the file.

    Raises:
        OSError: as the system raises it.
    """
    content = file.read_bytes() if file.exists() else b""
    kept = content.rfind(b"\n") + 1
    if kept == len(content):
        return
    if not is_json(content[kept:]):
        os.truncate(file, kept)
        return
    with file.open("ab") as stream:
        stream.write(b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def is_json(text: bytes | str) -> bool:
    """Whether `text` is JSON, whole."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def read_json(file: Path) -> Any | None:
    """The content of a JSON file, or None if it is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def understood(content: Any, parse: Callable[[Any], _Parsed], file: Path, about: str, remedy: str) -> _Parsed:
    """What `parse` makes of the content of a JSON file that a study wrote down.

    Args:
        content: as `read_json` gives it.
        parse: raises TypeError, AttributeError, KeyError or ValueError where it is not what was written.
        file: named in the error.
        about: what the file says, such as "which says how long this study trains".
        remedy: what happens once it is deleted.

    Raises:
        AugurError: it is damaged.
    """
    try:
        return parse(content)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise AugurError(
            f"{file}, {about}, is damaged. Restore it from a backup, or delete it: {remedy}."
        ) from error


def read_understood(file: Path, parse: Callable[[Any], _Parsed], about: str, remedy: str) -> _Parsed | None:
    """What `understood` makes of the JSON in `file`; None where there is no such file.

    Raises:
        AugurError: it is damaged.
    """
    return understood(read_json(file), parse, file, about, remedy) if file.exists() else None


def write_checked_json(file: Path, data: dict[str, Any], scratch: Path | None = None) -> None:
    """Replace `file` with `data` and the SHA-256 of it, for `read_checked_json`; see `written_whole`."""
    write_json(file, {**data, _CHECKSUM: _checksum(data)}, scratch)


def read_checked_json(file: Path) -> dict[str, Any]:
    """What `write_checked_json` wrote. A file of an earlier version, which has no checksum, is read as it is.

    Raises:
        FileNotFoundError: there is no such file.
        DamagedFile: it is torn, or was changed since it was written.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(file.read_bytes())
    except ValueError as error:
        raise DamagedFile(file, "it is not whole JSON") from error
    if not isinstance(content, dict):
        raise DamagedFile(file, "it holds no JSON object")
    if content.pop(_CHECKSUM, None) not in (None, _checksum(content)):
        raise DamagedFile(file, "its content does not fit its checksum")
    return content


def _checksum(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def read_yaml(file: Path) -> Any:
    """The content of a YAML file that belongs to the program (a table, a card)."""
    import yaml

    # The loader in C is ten times as fast; not every build of PyYAML has it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), loader)


def sync(file: Path) -> None:
    """Wait until the content of `file` is on the disk."""
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk, as far as its file system can say so."""
    if os.name == "nt":  # Windows cannot open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents where they are missing, and wait until their names are on the disk."""
    made = []
    for each in (folder, *folder.parents):
        if each.is_dir():
            break
        made.append(each)
    folder.mkdir(parents=True, exist_ok=True)
    for each in made:
        sync_folder(each.parent)


@contextmanager
def locked(file: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock `file` in this block, waiting for whoever holds it. It ends with the process that holds it.

    Args:
        file: of the lock; its folder exists.
        on_wait: called once if another process holds it.

    Raises:
        DiskError: the file system gives no locks, or the file cannot be made.
    """
    lock = try_lock(file)
    if lock is None:
        on_wait()
        lock = _acquired(file, -1)
    try:
        yield
    finally:
        lock.release()


def try_lock(file: Path) -> BaseFileLock | None:
    """The lock `file`, taken and to be released, or None where another process holds it.

    Raises:
        DiskError: as in `locked`.
    """
    try:
        return _acquired(file, 0)
    except Timeout:
        return None


def _acquired(file: Path, timeout: float) -> BaseFileLock:
    lock = FileLock(file)
    try:
        lock.acquire(timeout=timeout)
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        raise disk_error(error, file) or error from error
    return lock


def allocate_array(file: Path, shape: tuple[int, ...], dtype: "np.dtype") -> None:
    """Make an .npy file of zeros at its full size, unless `file` exists. It never exists at a smaller size.

    Raises:
        OSError: as the system raises it.
    """
    import numpy as np

    if file.exists():
        return
    with written_whole(file) as temporary, temporary.open("wb") as opened:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(opened, header)
        opened.truncate(opened.tell() + int(np.prod(shape)) * dtype.itemsize)


def sha256_of(file: Path) -> str:
    """Hex SHA-256 of the content of a file.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
