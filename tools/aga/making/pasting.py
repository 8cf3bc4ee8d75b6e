"""The third step: paste each source's subject onto its backgrounds, in several processes, shard by shard.

A shard is a function of the job and its number alone, so neither the number of processes nor their order shows in the
result. A process writes a shard's files and rows first and its record last: what has no record is made again.

At training size the source is the cached image itself, so a subject that stays where it was has, under its soft edge,
the pixels that training sees in the real image.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.aga.composites.compose import composite, draw_placement
from tools.aga.config import ComposeConfig, PromptSet
from tools.aga.making.pool import Background, kept_picture
from tools.aga.making.sources import TrainingSources, fitted, fitted_mask
from tools.aga.making.subjects import Subject, kept_mask
from tools.aga.recipe import Copy, Plan, placement_numbers
from tools.aga.store.pieces import PixelRows, full_disk_named
from tools.datasets.cache.decode import Fit
from tools.errors import AugurError
from tools.files import read_json, write_json, write_whole
from tools.machine import usable_cores
from tools.processes import WorkerDied, run_in_processes

SHARD = 64
"""Synthetic images that are recorded together."""
_IN_PROCESS = 256
"""Images below which starting processes takes longer than pasting in this one."""
_SUFFIX = {"png": "png", "jpeg": "jpg", "webp": "webp"}


@dataclass(frozen=True)
class Job:
    """All that composites depend on. Pickles small: no pixels."""

    root: Path
    folder: Path
    """Of the set."""
    work: Path
    scratch: Path
    sources: TrainingSources
    subjects: Sequence[Subject]
    """The usable ones."""
    backgrounds: Sequence[Background]
    """The pool."""
    plan: Plan
    prompts: PromptSet
    compose: ComposeConfig
    fit: Fit
    image_size: int
    seed: int
    folders: Sequence[str]
    """The folder of each class's images."""
    needed: int
    """Bytes of the whole set, for the error of a full disk."""

    @property
    def shards(self) -> int:
        """How many there are."""
        return -(-len(self.plan) // SHARD)

    @property
    def rows(self) -> PixelRows:
        """All images at training size."""
        return PixelRows(self.work / "pixels.npy", len(self.plan), self.image_size)

    def record(self, shard: int) -> Path:
        """Where it says that a shard is done."""
        return self.work / f"composites-{shard:05d}.json"

    def copies(self, shard: int) -> list[Copy]:
        """What a shard is made of."""
        return [
            self.plan[number] for number in range(shard * SHARD, min((shard + 1) * SHARD, len(self.plan)))
        ]

    def file(self, copy: Copy) -> str:
        """Where the image goes, within the set."""
        row = self.subjects[copy.place].row
        name = f"{row:06d}-{copy.copy:02d}.{_SUFFIX[self.compose.format]}"
        return f"images/{self.folders[self.sources.label(row)]}/{name}"


def paste_all(job: Job, progress: Callable[[int, int], None]) -> None:
    """Make all shards that have no record yet.

    Args:
        job: what to make.
        progress: called with (images done, images in all).

    Raises:
        AugurError: the disk is full, a file that was there is gone, or a process died.
    """
    job.rows.create()
    todo = [shard for shard in range(job.shards) if read_json(job.record(shard)) is None]
    total = len(job.plan)
    done = total - sum(len(job.copies(shard)) for shard in todo)
    progress(done, total)
    processes = min(job.compose.workers or usable_cores(), len(todo))
    if total - done < _IN_PROCESS:
        processes = min(processes, 1)
    for shard in _in_process(job, todo) if processes <= 1 else _in_processes(job, todo, processes):
        done += len(job.copies(shard))
        progress(done, total)


def _in_process(job: Job, todo: list[int]):
    paster = _Paster(job)
    for shard in todo:
        paster.paste(shard)
        yield shard


def _in_processes(job: Job, todo: list[int], processes: int):
    try:
        yield from run_in_processes(_paste_in_worker, todo, processes, _begin_worker, (job,))
    except WorkerDied as died:
        raise AugurError(
            "a process that pastes subjects onto backgrounds died (out of memory?). Fewer processes "
            "(--aga.compose.workers) need less; what is made so far is kept."
        ) from died


_worker: "_Paster | None" = None


def _begin_worker(job: Job) -> None:
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

    def __init__(self, job: Job) -> None:
        self._job = job
        self._place = -1
        self._source = self._mask = np.empty(0)

    def paste(self, shard: int) -> None:
        """Make one shard's files, rows and record."""
        job = self._job
        with full_disk_named(job.folder, job.needed):
            made = [self._paste(copy) for copy in job.copies(shard)]
            job.rows.to_disk()
            write_json(job.record(shard), {"composites": made}, job.scratch)

    def _paste(self, copy: Copy) -> dict[str, Any]:
        job, prompts, compose = self._job, self._job.prompts, self._job.compose
        source, mask = self._source_of(copy.place)
        subject = job.subjects[copy.place]
        background = kept_picture(job.root / job.backgrounds[copy.background].file)
        if background is None:
            raise AugurError(self._gone(job.backgrounds[copy.background].file))
        placement = draw_placement(
            placement_numbers(job.seed, subject.row, copy.copy),
            mask,
            prompts.flip_probability,
            prompts.max_rotation,
            prompts.min_scale,
            prompts.max_scale,
            compose.place,
        )
        picture, _ = composite(source, mask, background, placement, compose.edge)
        data = _encoded(picture, compose)
        file = job.file(copy)
        write_whole(job.folder / file, data, job.scratch)
        row = picture if compose.size == "training" else fitted(picture, job.image_size, job.fit)
        job.rows.write(copy.number, row)
        return {
            "number": copy.number,
            "place": copy.place,
            "copy": copy.copy,
            "background": copy.background,
            "file": file,
            "sha256": hashlib.sha256(data).hexdigest(),
            "flip": placement.flip,
            "rotation": placement.rotation,
            "scale": placement.scale,
            "dx": placement.dx,
            "dy": placement.dy,
        }

    def _source_of(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """The picture and its mask. Those of the last source are kept: its copies follow one another."""
        if place != self._place:
            job = self._job
            subject = job.subjects[place]
            kept = kept_mask(job.root / subject.mask)
            if kept is None:
                raise AugurError(self._gone(subject.mask))
            if job.compose.size == "training":
                self._source = job.sources.training_pixels(subject.row)
                self._mask = fitted_mask(kept[0], job.image_size, job.fit)
            else:
                self._source, self._mask = job.sources[subject.row].pixels, kept[0]
            self._place = place
        return self._source, self._mask

    def _gone(self, file: str) -> str:
        return (
            f"{self._job.root / file} was made, and is now missing or damaged: run again after removing "
            f"{self._job.work}, and it is made anew"
        )


def _encoded(picture: np.ndarray, compose: ComposeConfig) -> bytes:
    encoded = io.BytesIO()
    image = Image.fromarray(picture)
    if compose.format == "png":
        # The fastest level: the files are a tenth larger and written in a third of the time.
        image.save(encoded, "PNG", compress_level=1)
    elif compose.format == "jpeg":
        # Colour at full resolution: the subject's edge is where it would be seen.
        image.save(encoded, "JPEG", quality=compose.quality, subsampling=0)
    else:
        image.save(encoded, "WEBP", quality=compose.quality)
    return encoded.getvalue()


def read_record(file: Path) -> list[dict[str, Any]]:
    """The composites of a shard that is done."""
    return json.loads(file.read_text(encoding="utf-8"))["composites"]
