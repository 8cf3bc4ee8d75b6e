"""Decode many images in parallel; the part of building a cache that takes time.

Decoding processes write rows directly into the folder of pixels, so no pixel passes through a pipe and memory does
not grow with the data set. After a kill, decoding resumes with the rows that are not in the folder's book.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from tools.datasets.cache.always import AlwaysSource
from tools.datasets.cache.decode import UnreadableImage, decode_and_look
from tools.datasets.cache.pixels import Decoding, PixelFolder, RowWriter
from tools.datasets.splits.thumbnails import thumbnail
from tools.datasets.types import Source
from tools.errors import AugurError
from tools.machine import usable_cores
from tools.processes import WorkerDied, run_in_processes

_CHUNK = 16
"""Images of one task."""
_SMALL = 8 * 2**20
"""Bytes of encoded images below which starting processes takes longer than decoding in this one."""

OnProgress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image and where its pixels belong."""

    file: str
    row: int
    content: bytes
    """SHA-256 of its bytes: a file whose content has changed since is refused."""
    size: int
    """Of the encoded image, in bytes."""


@dataclass(frozen=True, slots=True)
class DecodeOutcome:
    """The result of decoding a row: the checksum of its pixels, or the reason why there are none."""

    row: int
    checksum: int
    reason: str | None = None


def decode_rows(
    folder: PixelFolder,
    source: Source,
    rows: Sequence[ImageRow],
    decoding: Decoding,
    workers: int | None,
    progress: OnProgress | None,
) -> dict[int, str]:
    """Decode those of `rows` that are not yet in an allocated folder.

    Args:
        workers: decoding processes; all cores if None.
        progress: called with (images done, images in all), from this process.

    Returns:
        The reason for each row whose image is unreadable. Its pixels are left zero.

    Raises:
        AugurError: the disk cannot be written, or a decoding process died.
    """
    folder.allow_looks()
    book = folder.book("r+")
    # Plain arrays over the same mapping: indexing a memmap costs twenty times as much.
    there, checksums = np.asarray(book["there"]), np.asarray(book["checksum"])
    todo = [row for row in rows if not there[row.row]]
    finished = len(rows) - len(todo)
    if progress is not None:
        progress(finished, len(rows))
    processes = min(workers or usable_cores(), -(-len(todo) // _CHUNK))
    if sum(row.size for row in todo) < _SMALL:
        processes = min(processes, 1)
    unreadable: dict[int, str] = {}
    for outcomes in _decode_all(_Task(source, folder, decoding), todo, processes):
        for outcome in outcomes:
            if outcome.reason is None:
                checksums[outcome.row] = outcome.checksum
                there[outcome.row] = 1
            else:
                unreadable[outcome.row] = outcome.reason
        finished += len(outcomes)
        if progress is not None:
            progress(finished, len(rows))
    return unreadable


@dataclass(frozen=True)
class _Task:
    """What a decoding process is told once."""

    source: Source
    folder: PixelFolder
    decoding: Decoding


def _decode_all(task: _Task, todo: list[ImageRow], processes: int) -> Iterator[list[DecodeOutcome]]:
    rows = iter(todo)
    chunks = iter(lambda: list(islice(rows, _CHUNK)), [])
    if processes <= 1:
        with RowWriter(task.folder) as writer:
            for chunk in chunks:
                yield [_decode_row(task, writer, row) for row in chunk]
        return
    try:
        yield from run_in_processes(_decode_in_worker, chunks, processes, _begin_worker, (task,))
    except WorkerDied as died:
        suspects = sorted(task.source.where(row.file) for chunk in died.in_flight for row in chunk)
        raise AugurError(
            "a process that decodes images died (out of memory, or an error in the decoder). It was working on "
            f"{'this file' if len(suspects) == 1 else f'one of these {len(suspects)} files'}: "
            f"{', '.join(suspects[:_CHUNK])}. Fewer processes "
            "(--data.decode_workers) or a lower --data.max_pixels need less memory; what was decoded is kept."
        ) from died


def _decode_row(task: _Task, writer: RowWriter, row: ImageRow) -> DecodeOutcome:
    always = task.source if isinstance(task.source, AlwaysSource) else None
    try:
        data = (task.source if always is None else always.inner).read(row.file)
    except OSError as error:
        return DecodeOutcome(row.row, 0, f"cannot be read: {error.strerror}")
    content = hashlib.sha256(data).digest()
    if (content if always is None else always.content(content)) != row.content:
        return DecodeOutcome(row.row, 0, "changed while the data set was being read")
    if always is not None:
        data = always.after(data, row.file)
    how = task.decoding
    try:
        pixels, look = decode_and_look(data, how.size, how.fit, how.max_pixels, how.span)
    except UnreadableImage as error:
        return DecodeOutcome(row.row, 0, str(error))
    return DecodeOutcome(row.row, writer.write(row.row, pixels, thumbnail(pixels), look))


_worker: tuple[_Task, RowWriter] | None = None


def _begin_worker(task: _Task) -> None:
    global _worker
    _worker = task, RowWriter(task.folder).__enter__()


def _decode_in_worker(chunk: list[ImageRow]) -> list[DecodeOutcome]:
    assert _worker is not None
    task, writer = _worker
    return [_decode_row(task, writer, row) for row in chunk]
