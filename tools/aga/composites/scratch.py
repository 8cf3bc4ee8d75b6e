"""Memory that is used again and again: where the system has to find new memory for each small picture, that can take as
long as the arithmetic.

Light: imports NumPy.
"""

import threading

import numpy as np


class Scratch(threading.local):
    """Buffers by name, one set for each thread. A buffer is valid until the same name is asked for again."""

    def __init__(self) -> None:
        self._buffers: dict[str, np.ndarray] = {}

    def __call__(self, name: str, *shape: int) -> np.ndarray:
        """uint8 of this shape, C-contiguous, with whatever was in it."""
        size = 1
        for side in shape:
            size *= side
        buffer = self._buffers.get(name)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name] = np.empty(size, np.uint8)
        return buffer[:size].reshape(shape)
