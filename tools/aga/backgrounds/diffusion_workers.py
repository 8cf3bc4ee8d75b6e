"""Backgrounds on several devices: one process each, which holds its own copy of the model.

Processes rather than threads: with Python's lock two GPUs would wait for each other between any two kernels. Workers
stay, each with its device and its model, so they are no pool of `tools.processes`. A worker ends with its parent,
however that ends; the death of a worker is an error, never an endless wait.
"""

import multiprocessing
import signal
import traceback
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing.connection import Connection, wait
from typing import Any, Self, cast

import numpy as np

from tools.aga.backgrounds.diffusion import DiffusionMaker, diffusion_identity
from tools.aga.config import BackgroundConfig
from tools.errors import AugurError
from tools.machine import usable_cores
from tools.processes import exit_with_parent

_GRACE = 5.0
"""Seconds that a terminated worker has before it is killed."""


def shards(count: int, workers: int) -> list[slice]:
    """Ranges of `count` rows, in order, one for each worker; lengths differ by at most one, and none is empty."""
    used = min(count, workers)
    edges = [count * number // used for number in range(used + 1)] if used else []
    return [slice(start, stop) for start, stop in pairwise(edges)]


class ShardedDiffusionMaker:
    """A BackgroundMaker over several devices. Close it, or use it in `with`, to release the devices' memory.

    It spawns processes: a script that uses it needs the usual `if __name__ == "__main__":`.
    """

    def __init__(self, config: BackgroundConfig, devices: Sequence[str]) -> None:
        """`devices`: one for each process, such as 'cuda:0'; processes start with the first picture."""
        self._config = config
        self._devices = list(devices)
        # The same as with one device: which one made a picture makes no difference.
        self.identity = diffusion_identity(config, devices[0])
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def make(self, captions: Sequence[str], seeds: Sequence[int], size: int) -> list[np.ndarray]:
        """For each caption a picture, uint8 (size, size, 3), RGB, in the order of `captions`.

        Raises:
            ConfigurationError, AugurError: as `DiffusionMaker.make`, from whichever device fails first.
            AugurError: a worker died.
        """
        tasks = list(zip(captions, map(int, seeds), strict=True))
        parts = shards(len(tasks), len(self._devices))
        try:
            self._start(len(parts))
            busy = self._workers[: len(parts)]
            for worker, part in zip(busy, parts, strict=True):
                worker.send((tasks[part], size))
            return _gathered(busy)
        except BaseException:
            # The others may otherwise work for minutes on what nobody waits for any more.
            self.close()
            raise

    def close(self) -> None:
        """End the processes; the next `make` starts new ones."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.join()

    def _start(self, count: int) -> None:
        threads = max(1, usable_cores() // len(self._devices))
        for device in self._devices[len(self._workers) : count]:
            self._workers.append(_Worker(self._config, device, threads))


def _gathered(workers: "list[_Worker]") -> list[np.ndarray]:
    """The pictures of all `workers` in their order; the first error is raised at once, whichever worker has it."""
    waiting = {worker.connection: number for number, worker in enumerate(workers)}
    answers: list[list[np.ndarray]] = [[] for _ in workers]
    while waiting:
        for connection in wait(list(waiting)):
            number = waiting.pop(cast(Connection, connection))
            answers[number] = workers[number].receive()
    return [picture for answer in answers for picture in answer]


class _Worker:
    """A process with its device, seen from the parent."""

    def __init__(self, config: BackgroundConfig, device: str, threads: int) -> None:
        self._device = device
        spawn = multiprocessing.get_context("spawn")
        self.connection, child_end = spawn.Pipe()
        self._process = spawn.Process(
            target=_work, args=(child_end, config, device, threads), name=f"backgrounds-{device}", daemon=True
        )
        self._process.start()
        # Only with the child's end closed here does the child's death end our wait.
        child_end.close()

    def send(self, task: tuple[list[tuple[str, int]], int]) -> None:
        try:
            self.connection.send(task)
        except OSError as error:
            raise self._death() from error

    def receive(self) -> list[np.ndarray]:
        try:
            answer = self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._death() from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def end(self) -> None:
        self.connection.close()
        self._process.terminate()

    def join(self) -> None:
        self._process.join(_GRACE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _death(self) -> AugurError:
        self._process.join(_GRACE)
        code = self._process.exitcode
        how = (
            f"was killed by {signal.Signals(-code).name}"
            if code and code < 0
            else f"ended with exit code {code}"
        )
        return AugurError(
            f"the process that makes backgrounds on {self._device} {how}. SIGKILL is usually the system when its "
            "memory runs out: each device's process holds its own copy of the model; use fewer devices "
            "(CUDA_VISIBLE_DEVICES) or a smaller model. Run again: finished backgrounds are kept"
        )


def _work(connection: Connection, config: BackgroundConfig, device: str, threads: int) -> None:
    """What runs in a worker: answers each task with pictures, or with the error that came instead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    exit_with_parent()
    import torch

    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        torch.cuda.set_device(device)  # or memory is taken on the first device too
    maker: DiffusionMaker | None = None
    while True:
        try:
            tasks, size = connection.recv()
        except EOFError:
            return
        try:
            maker = maker or DiffusionMaker(config, device)
            answer: Any = maker.make([caption for caption, _ in tasks], [seed for _, seed in tasks], size)
        except AugurError as error:
            answer = type(error)(*error.args)  # without its causes, which may not be picklable
        except Exception:
            answer = RuntimeError(f"a process that makes backgrounds failed:\n{traceback.format_exc()}")
        connection.send(answer)
