"""What workers of `run_in_processes` do in its tests; as a script, a parent that never ends and prints its results."""

import itertools
import os
import signal

from tools.processes import run_in_processes

_offset = 0


def prepare(offset: int) -> None:
    global _offset
    _offset = offset


def add(task: int) -> int:
    """The task plus the offset; 13 kills the worker, 99 fails."""
    if task == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if task == 99:
        raise ValueError("99")
    return task + _offset


if __name__ == "__main__":
    for result in run_in_processes(add, itertools.count(100), 2, prepare, (0,)):
        print(result, flush=True)
