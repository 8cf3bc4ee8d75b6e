"""Worker processes that end when the process that started them ends, even if that one is killed."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait as wait_for
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_QUEUED = 3
"""Tasks in flight for each process."""


class WorkerDied(Exception):
    """A worker process died (out of memory, or a fault in native code)."""

    def __init__(self, in_flight: list[Any]) -> None:
        """`in_flight`: the tasks that the workers had; one of them may be the cause."""
        super().__init__(f"a worker process died with {len(in_flight)} tasks in flight")
        self.in_flight = in_flight


def exit_with_parent() -> None:
    """End this process as soon as its parent has ended, whatever it is doing.

    For processes made by `multiprocessing`: a parent that is killed cannot stop them, and they would keep memory and
    cores from whatever runs next.

    Raises:
        RuntimeError: this process was not started by `multiprocessing`.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("exit_with_parent() must be called in a process that multiprocessing has started")

    def watch() -> None:
        wait_for([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()


def run_in_processes(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    processes: int,
    initializer: Callable[..., None],
    arguments: tuple[Any, ...],
) -> Iterator[Result]:
    """Results of `function` for each task, in the order in which they finish, from processes that ignore Ctrl-C.

    At most a few tasks per process are in flight, so `tasks` may be a long generator. The processes are spawned,
    not forked: the caller may hold threads and locks (torch, a tracking client).

    Args:
        function: run in a worker; must be importable.
        tasks: picklable.
        processes: at least 1.
        initializer: called once in each worker, with `arguments`.
        arguments: picklable.

    Raises:
        WorkerDied: a worker process died.
    """
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(initializer, arguments),
    )
    waiting = iter(tasks)
    in_flight: dict[Future[Result], Task] = {}
    try:
        for task in islice(waiting, processes * _QUEUED):
            in_flight[pool.submit(function, task)] = task
        while in_flight:
            for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
                result = future.result()
                del in_flight[future]
                yield result
                for task in islice(waiting, 1):
                    in_flight[pool.submit(function, task)] = task
    except BrokenProcessPool as error:
        raise WorkerDied(list(in_flight.values())) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(initializer: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent()
    initializer(*arguments)
