"""Memory for augmented images that several processes write and one reads. It is gone when the last of them ends.

A file in memory without a name, so that nothing is left over by a kill and the size of /dev/shm does not matter. Where
the system has no such files (macOS), a temporary file takes its place.
"""

import os
import tempfile
from typing import Any

import numpy as np
import torch


class Arena:
    """Rows of uint8 (3, S, S), lent in contiguous ranges."""

    def __init__(self, rows: int, image_size: int, shared: bool, pinned: bool = False) -> None:
        """`shared`: whether other processes open it; `pinned`: for copies to a CUDA device that wait for nothing."""
        self.shape = (rows, 3, image_size, image_size)
        self._file: Any = None
        self._pinned = pinned
        self.path = ""
        """For `open_rows` in another process."""
        if shared:
            self._file, self.path = _unnamed_file(int(np.prod(self.shape)))
            self.images = open_rows(self.path, self.shape)
        else:
            self.images = torch.empty(self.shape, dtype=torch.uint8)
        """uint8 (rows, 3, S, S)."""
        if pinned:
            runtime: Any = torch.cuda.cudart()
            torch.cuda.check_error(runtime.cudaHostRegister(self.images.data_ptr(), self.images.numel(), 0))
        self._free = [(0, rows)]

    def take(self, rows: int) -> int | None:
        """The first of `rows` free rows in succession, or None where there are none."""
        for number, (start, stop) in enumerate(self._free):
            if stop - start >= rows:
                self._free[number : number + 1] = [(start + rows, stop)] if stop - start > rows else []
                return start
        return None

    def give_back(self, start: int, rows: int) -> None:
        """Rows that `take` lent are free again."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted([*self._free, (start, start + rows)]):
            if merged and merged[-1][1] == begin:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((begin, end))
        self._free = merged

    def close(self) -> None:
        """Give the memory back to the system; nobody uses it any longer."""
        if self._pinned:
            runtime: Any = torch.cuda.cudart()
            runtime.cudaHostUnregister(self.images.data_ptr())
        del self.images
        if self._file is not None:
            self._file.close()


def open_rows(path: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The rows of an arena, in any process while its maker lives."""
    return torch.from_numpy(np.memmap(path, np.uint8, "r+", shape=shape))


def _unnamed_file(size: int) -> tuple[Any, str]:
    if hasattr(os, "memfd_create"):
        opened = os.fdopen(os.memfd_create("augur-epochs"), "r+b")
        path = f"/proc/{os.getpid()}/fd/{opened.fileno()}"
    else:
        opened = tempfile.NamedTemporaryFile(prefix="augur-epochs-")  # noqa: SIM115 -- the arena closes it
        path = opened.name
    opened.truncate(size)
    return opened, path
