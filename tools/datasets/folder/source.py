"""Where the bytes of images are: a folder on disk. (A data set that makes its bytes itself has its own source.)"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class FolderSource:
    """Files named by their path relative to `root`, with forward slashes."""

    root: Path

    def path(self, file: str) -> Path:
        """Where `file` lies."""
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
