"""A folder on disk as the source of images. (Data sets that hold arrays have sources of their own.)"""

import errno
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FolderSource:
    """Files named by their path relative to `root`, with forward slashes."""

    root: Path

    def path(self, file: str) -> Path:
        """The path of `file` on disk."""
        return self.root / file

    def read(self, file: str) -> bytes:
        """The encoded image.

        Raises:
            OSError: it cannot be read, or is no regular file (opening a pipe would wait for whoever writes into it).
        """
        path = self.path(file)
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(errno.EINVAL, "is no regular file", str(path))
        return path.read_bytes()

    def where(self, file: str) -> str:
        """The full path, for messages."""
        return str(self.path(file))
