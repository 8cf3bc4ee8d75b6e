"""Capturing work on a stream as a CUDA graph."""

from collections.abc import Callable
from typing import Any, TypeVar

import torch

from tools.errors import AugurError, first_line
from tools.machine import is_out_of_memory

Result = TypeVar("Result")

WARM_UP = 2
"""Calls before the capture: the first one chooses kernels and allocates the optimizer's state."""


class CannotCapture(AugurError):
    """The work waits for the device, or does something else that a graph cannot hold."""


def captured(work: Callable[[], Result], pool: Any, stream: Any) -> Callable[[], Result]:
    """`work` as a CUDA graph on the current stream, which is `stream`: returns what replays it.

    `work` may only use tensors that stay where they are, and its result is overwritten by the next replay.

    Raises:
        CannotCapture: it cannot be captured.
        torch.OutOfMemoryError: it does not fit.
    """
    for _ in range(WARM_UP):
        work()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        # not `torch.cuda.graph`: it collects garbage and empties the allocator's cache for every capture
        graph.capture_begin(pool=pool, capture_error_mode="thread_local")
        try:
            result = work()
        finally:
            graph.capture_end()
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise
        raise CannotCapture(first_line(error)) from error

    def replay() -> Result:
        graph.replay()
        return result

    return replay
