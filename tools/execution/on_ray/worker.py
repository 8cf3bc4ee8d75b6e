"""Workers on nodes of a Ray cluster: processes like those of one machine (`remote.py`), wherever there is room.

So `LocalExecutor` and `PackedExecutor`, which say what each way of ending means, know nothing of Ray.
"""

from functools import partial
from pathlib import Path
from typing import Any

from tools.execution.devices import WorkerPlan
from tools.execution.ending import Ending
from tools.execution.on_ray.remote import Placement, RemoteProcess
from tools.execution.packed import PackProcess
from tools.execution.packed_worker import Note, PackPlan
from tools.execution.worker_process import WorkerProcess


class RayWorker(WorkerProcess):
    """One worker on whichever node has room; another actor takes the place of one that was lost."""

    def __init__(self, plan: WorkerPlan, placement: Placement) -> None:
        super().__init__(plan)
        self._placement = placement

    def _launch(self) -> None:
        self._process = self._connection = RemoteProcess(
            partial(WorkerProcess, self.plan), self._placement, self._output, lambda text: text
        )

    @property
    def waitables(self) -> list[Any]:
        """One: the end of a remote process is news too."""
        return [self._connection]

    def _death(self, output: Path, loader_workers: int) -> Ending:
        return self._process.lost or super()._death(output, loader_workers)


class RayPack(PackProcess):
    """One pack on whichever node has room."""

    def __init__(self, plan: PackPlan, placement: Placement) -> None:
        super().__init__(plan)
        self._placement = placement

    def _launch(self) -> None:
        self._process = self._connection = RemoteProcess(
            partial(PackProcess, self._pack), self._placement, self._output, lambda text: ("", Note(text))
        )

    @property
    def waitables(self) -> list[Any]:
        """As `RayWorker.waitables`."""
        return [self._connection]

    def _death(self, output: Path, loader_workers: int) -> Ending:
        return self._process.lost or super()._death(output, loader_workers)
