"""Files that are on disk whole or not at all, whatever happens to the process that writes them.

Every file that another process may read, or that a resumed run relies on, is written under a temporary name beside it
(or in `scratch`, a folder on the same disk that is emptied after a crash), synced, and renamed.
"""

import glob
import hashlib
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_counter = itertools.count()


@contextmanager
def written_whole(file: Path, scratch: Path | None = None) -> Iterator[Path]:
    """A temporary path to write to. It becomes `file` when the block ends, and is deleted if the block raises.

    Args:
        file: to replace; its folder is made if it is missing.
        scratch: folder on the same disk for the temporary file; None means the folder of `file`.

    Raises:
        OSError: as the system raises it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = (scratch or file.parent) / f".{file.name}.{os.getpid()}-{next(_counter)}.writing"
    try:
        yield temporary
        sync(temporary)
        os.replace(temporary, file)
    except BaseException:
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


def read_json(file: Path) -> Any | None:
    """The content of a JSON file, or None if it is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


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
