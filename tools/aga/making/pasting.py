"""The third step: paste each source's subject onto its backgrounds, in several processes, shard by shard.

A shard is a function of the job and its number alone, so neither the number of processes nor their order shows in the
result. A process writes a shard's files and rows first and its record last: what has no record is made again.

At training size the source is the cached image itself, so a subject that stays where it was has, under its soft edge,
the pixels that training sees in the real image; those of its outline only if `aga.compose.colours` is `source`.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.aga.composites.compose import paste
from tools.aga.composites.edges import in_the_light_of, without_old_background
from tools.aga.composites.placement import Placement, draw_placement
from tools.aga.composites.scratch import Scratch
from tools.aga.config import ComposeConfig
from tools.aga.making.background_pool import Background, kept_picture
from tools.aga.making.request import Request
from tools.aga.making.set_plan import PlannedImage, SetPlan, placement_numbers
from tools.aga.making.source_images import fitted, fitted_mask
from tools.aga.making.subjects import Subject, kept_mask
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

    def file(self, image: PlannedImage) -> str:
        """Where the image goes, within the set."""
        row, suffix = self.subjects[image.place].row, _SUFFIX[self.request.config.compose.format]
        return f"images/{self.request.class_folders[self.label(image)]}/{row:06d}-{image.copy:02d}.{suffix}"


def paste_all(job: PastingJob, progress: Callable[[int, int], None]) -> None:
    """Make all shards that have no record yet.

    Args:
        job: what to make.
        progress: called with (images done, images in all).

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
    for shard in _in_process(job, todo) if processes <= 1 else _in_processes(job, todo, processes):
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
        self._place = -1
        self._source = self._mask = np.empty(0)
        self._scratch = Scratch()

    def paste(self, shard: int) -> None:
        """Make one shard's files, rows and record."""
        job = self._job
        with disk_errors_explained(job.work.set_folder, job.needed):
            made = [self._paste(image) for image in job.images(shard)]
            job.rows.to_disk()
            write_json(job.record(shard), {"composites": made}, job.work.scratch)

    def _paste(self, image: PlannedImage) -> dict[str, Any]:
        job, request = self._job, self._job.request
        prompts, compose = request.prompts, request.config.compose
        source, mask = self._source_of(image.place)
        subject, background = job.subjects[image.place], job.backgrounds[image.background]
        behind = kept_picture(request.root / background.file)
        if behind is None:
            raise self._gone(background.file)
        placement = draw_placement(
            placement_numbers(request.seed, subject.row, image.copy),
            mask,
            prompts.flip_probability,
            prompts.max_rotation,
            prompts.min_scale,
            prompts.max_scale,
            compose.place,
        )
        if compose.light == "match":
            source = in_the_light_of(source, mask, behind)
        room = self._scratch("picture", *mask.shape, 3)  # written to disk before the next one
        picture = paste(source, mask, behind, placement, compose.edge, room)
        return write_image(job, image, picture, placement)

    def _source_of(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """The picture and its mask. Those of the last source are kept: its copies follow one another."""
        if place != self._place:
            request, subject = self._job.request, self._job.subjects[place]
            kept = kept_mask(request.root / subject.mask)
            if kept is None:
                raise self._gone(subject.mask)
            if request.config.compose.size == "training":
                self._source = request.sources.training_pixels(subject.row)
                self._mask = fitted_mask(kept[0], request.image_size, request.fit)
            else:
                self._source, self._mask = request.sources[subject.row].pixels, kept[0]
            if request.config.compose.colours == "estimated":
                self._source = without_old_background(self._source, self._mask, request.config.compose.edge)
            self._place = place
        return self._source, self._mask

    def _gone(self, file: str) -> AugurError:
        return AugurError(
            f"{self._job.request.root / file} is missing or damaged since it was made: remove {self._job.work.path} "
            "and run again, and it is made again"
        )


def write_image(
    job: PastingJob, image: PlannedImage, picture: np.ndarray, placement: Placement
) -> dict[str, Any]:
    """Write an image's file and its row; what the shard's record holds of it."""
    request, compose = job.request, job.request.config.compose
    data, file = _encoded(picture, compose), job.file(image)
    write_whole(job.work.set_folder / file, data, job.work.scratch)
    small = picture if compose.size == "training" else fitted(picture, request.image_size, request.fit)
    job.rows.write(image.number, small)
    return {
        **asdict(image),
        "file": file,
        "sha256": hashlib.sha256(data).hexdigest(),
        **asdict(placement),
    }


def _encoded(picture: np.ndarray, compose: ComposeConfig) -> bytes:
    data = io.BytesIO()
    image = Image.fromarray(picture)
    if compose.format == "png":
        # The fastest level: the files are a tenth larger and written in a third of the time.
        image.save(data, "PNG", compress_level=1)
    elif compose.format == "jpeg":
        # Colour at full resolution: the subject's edge is where it would be seen.
        image.save(data, "JPEG", quality=compose.quality, subsampling=0)
    else:
        image.save(data, "WEBP", quality=compose.quality)
    return data.getvalue()
