"""A folder on disk as the source of images. (Data sets that hold arrays have sources of their own.)"""

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
            OSError: it cannot be read.
        """
        return self.path(file).read_bytes()

    def where(self, file: str) -> str:
        """The full path, for messages."""
        return str(self.path(file))
