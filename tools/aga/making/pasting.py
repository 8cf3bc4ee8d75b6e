"""The third step: paste each source's subject onto its backgrounds, in several processes, shard by shard.

A shard is a function of the job and its number alone, so neither the number of processes nor their order shows in the
result. A process writes a shard's files and rows first and its record last: what has no record is made again.

At training size the source is the cached image itself, so a subject that stays where it was has, under its soft edge,
the pixels that training sees in the real image; those of its outline only if `aga.compose.colours` is `source`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tools.aga.composites.placement import Placement
from tools.aga.making.background_pool import Background
from tools.aga.making.chain import ShardPaster
from tools.aga.making.composing import Composer, Pasted, Rules, SentShard, StoredInputs, encoded
from tools.aga.making.request import Request
from tools.aga.making.set_plan import PlannedImage, SetPlan
from tools.aga.making.subjects import Subject
from tools.aga.making.work_folder import SHARD, WorkFolder
from tools.aga.store.disk_space import disk_errors_explained
from tools.aga.store.pieces import PixelRows
from tools.errors import AugurError
from tools.files import write_json, write_whole
from tools.machine import usable_cores
from tools.processes import WorkerDied, run_in_processes
from tools.training.synthetic import PIXELS

_IN_PROCESS = 256
"""Images below which starting processes takes longer than pasting in this one."""
_SUFFIX = {"png": "png", "jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True)
class PastingJob:
    """All that composites depend on. Pickles small: no pixels."""

    request: Request
    work: WorkFolder
    subjects: Sequence[Subject]
    """The usable ones."""
    backgrounds: Sequence[Background]
    """The pool."""
    plan: SetPlan
    needed: int
    """Bytes of the whole set, for the error of a full disk."""

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-len(self.plan) // SHARD)

    @property
    def rows(self) -> PixelRows:
        """All images at training size."""
        return PixelRows(self.work.path / PIXELS, len(self.plan), self.request.image_size)

    def record(self, shard: int) -> Path:
        """The file that lists the composites of a shard that is done."""
        return self.work.record("composites", shard)

    def made(self, shard: int) -> list[dict[str, Any]]:
        """The records of the images of a shard that is done."""
        return json.loads(self.record(shard).read_text(encoding="utf-8"))["composites"]

    def images(self, shard: int) -> list[PlannedImage]:
        """What a shard is made of."""
        last = min((shard + 1) * SHARD, len(self.plan))
        return [self.plan[number] for number in range(shard * SHARD, last)]

    def label(self, image: PlannedImage) -> int:
        """What the image is to be trained as."""
        return self.request.sources.label(self.subjects[image.place].row)

    def pieces(self, image: PlannedImage) -> tuple[int, str, str]:
        """The row of the image's source, and the files of its mask and its background within the store."""
        subject = self.subjects[image.place]
        return subject.row, subject.mask, self.backgrounds[image.background].file

    def file(self, image: PlannedImage) -> str:
        """Where the image goes, within the set."""
        row, suffix = self.subjects[image.place].row, _SUFFIX[self.request.config.compose.format]
        return f"images/{self.request.class_folders[self.label(image)]}/{row:06d}-{image.copy:02d}.{suffix}"


def paste_all(
    job: PastingJob, progress: Callable[[int, int], None], paster: ShardPaster | None = None
) -> None:
    """Make all shards that have no record yet.

    Args:
        job: what to make.
        progress: called with (images done, images in all).
        paster: makes them on other machines; None: this one does.

    Raises:
        AugurError: the disk is full, a file that was there is gone, or a process died.
    """
    job.rows.create()
    todo = [shard for shard in range(job.shards) if not job.work.is_done("composites", shard)]
    total = len(job.plan)
    done = total - sum(len(job.images(shard)) for shard in todo)
    progress(done, total)
    processes = min(job.request.config.compose.workers or usable_cores(), len(todo))
    if total - done < _IN_PROCESS:
        processes = min(processes, 1)
    if paster is not None:
        shards = _elsewhere(job, todo, paster)
    else:
        shards = _in_process(job, todo) if processes <= 1 else _in_processes(job, todo, processes)
    for shard in shards:
        done += len(job.images(shard))
        progress(done, total)


def _in_process(job: PastingJob, todo: list[int]) -> Iterator[int]:
    paster = _Paster(job)
    for shard in todo:
        paster.paste(shard)
        yield shard


def _in_processes(job: PastingJob, todo: list[int], processes: int) -> Iterator[int]:
    try:
        yield from run_in_processes(_paste_in_worker, todo, processes, _begin_worker, (job,))
    except WorkerDied as died:
        raise AugurError(
            "a process that pastes subjects onto backgrounds died (out of memory?). Fewer processes "
            "(--aga.compose.workers) need less memory; what has been made is kept."
        ) from died


_worker: "_Paster | None" = None


def _begin_worker(job: PastingJob) -> None:
    global _worker
    import cv2

    # Every core has a process of its own.
    cv2.setNumThreads(1)
    _worker = _Paster(job)


def _paste_in_worker(shard: int) -> int:
    assert _worker is not None
    _worker.paste(shard)
    return shard


class _Paster:
    """Makes shards, in whichever process it is."""

    def __init__(self, job: PastingJob) -> None:
        self._job = job
        self._composer = Composer(Rules.of(job.request), StoredInputs(job.request, job.work.path))

    def paste(self, shard: int) -> None:
        """Make one shard's files, rows and record."""
        job = self._job
        with disk_errors_explained(job.work.set_folder, job.needed):
            made = [
                write_image(job, image, *self._composer.compose(image, *job.pieces(image)))
                for image in job.images(shard)
            ]
            _record(job, shard, made)


def _elsewhere(job: PastingJob, todo: list[int], paster: ShardPaster) -> Iterator[int]:
    """Shards as they are done: made by `paster`, several at once, and written by this process."""
    inputs = StoredInputs(job.request, job.work.path)

    def paste(shard: int) -> int:
        images = job.images(shard)
        made = paster.paste(_sent(job, images, inputs))
        with disk_errors_explained(job.work.set_folder, job.needed):
            written = [_keep(job, *each) for each in zip(images, made, strict=True)]
            _record(job, shard, written)
        return shard

    with ThreadPoolExecutor(paster.at_once) as pool:
        waiting = [pool.submit(paste, shard) for shard in todo]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _sent(job: PastingJob, images: list[PlannedImage], inputs: StoredInputs) -> SentShard:
    parts = [(image, *job.pieces(image)) for image in images]
    files = {file for _, _, mask, background in parts for file in (mask, background)}
    return SentShard(
        Rules.of(job.request),
        parts,
        {row: inputs.encoded(row) for row in {row for _, row, _, _ in parts}},
        {file: inputs.content(file) for file in files},
    )


def _record(job: PastingJob, shard: int, made: list[dict[str, Any]]) -> None:
    job.rows.to_disk()
    write_json(job.record(shard), {"composites": made}, job.work.scratch)


def write_image(
    job: PastingJob, image: PlannedImage, picture: np.ndarray, placement: Placement
) -> dict[str, Any]:
    """Write an image's file and its row; what the shard's record holds of it."""
    return _keep(job, image, encoded(Rules.of(job.request), picture, placement))


def _keep(job: PastingJob, image: PlannedImage, made: Pasted) -> dict[str, Any]:
    file = job.file(image)
    write_whole(job.work.set_folder / file, made.data, job.work.scratch)
    job.rows.write(image.number, made.small)
    return {
        **asdict(image),
        "file": file,
        "sha256": hashlib.sha256(made.data).hexdigest(),
        **asdict(made.placement),
    }
