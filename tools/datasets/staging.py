"""The part of building a cache that takes time: decode every image once, in parallel, into files that survive a kill.

A staging folder holds, for each split, `SPLIT.npy` at its full size and, in `decoded.log`, a line for each row that
is complete. Decoding processes write rows straight into the files, so no pixel passes through a pipe and memory does
not grow with the data set. After a kill the folder is taken up where its log ends.
"""

import hashlib
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tools.datasets.decode import Fit, UnreadableImage, decode
from tools.datasets.types import SPLITS, Record, Source, Split
from tools.errors import AugurError

_CHUNK = 16
"""Images of one task."""
_QUEUED = 3
"""Tasks in flight for each process."""
_IN_PROCESS = 8 * 2**20
"""Bytes of encoded images below which starting processes takes longer than decoding in this one."""
_LOG = "decoded.log"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One image and where its pixels belong."""

    record: Record
    row: int
    """Within its split."""
    content: bytes
    """SHA-256 of its bytes: another content than the one that was looked at before is refused."""


@dataclass(frozen=True)
class Decoding:
    """What a decoding process needs to know once."""

    source: Source
    folder: Path
    size: int
    fit: Fit
    max_pixels: int
    offsets: dict[Split, int]
    """Where the pixels begin in each split's file."""


def stage(
    folder: Path,
    source: Source,
    rows: list[Row],
    size: int,
    fit: Fit,
    max_pixels: int,
    encoded_bytes: int,
    workers: int | None,
    progress: Progress | None,
) -> dict[tuple[Split, int], str]:
    """Decode `rows` into `folder`/SPLIT.npy, going on from what an earlier, interrupted call left there.

    Args:
        encoded_bytes: of all images together; decides whether starting processes pays.
        workers: decoding processes; all cores where None.
        progress: called with (images done, images in all), from this process.

    Returns:
        The reason for each row whose image is unreadable. Its pixels are left zero.

    Raises:
        AugurError: the disk is too small or cannot be written, or a decoding process died.
    """
    folder.mkdir(parents=True, exist_ok=True)
    decoding = Decoding(source, folder, size, fit, max_pixels, _allocate(folder, rows, size))
    done = _read_log(folder)
    todo = [row for row in rows if (row.record.split, row.row) not in done]
    finished = len(rows) - len(todo)
    if progress is not None:
        progress(finished, len(rows))

    processes = min(workers or _cores(), -(-len(todo) // _CHUNK))
    if encoded_bytes < _IN_PROCESS:
        processes = min(processes, 1)
    unreadable: dict[tuple[Split, int], str] = {}
    with (folder / _LOG).open("a", encoding="ascii") as log:
        for outcomes in _decode_all(decoding, todo, processes):
            for split, row, reason in outcomes:
                if reason is None:
                    log.write(f"{split} {row}\n")
                else:
                    unreadable[split, row] = reason
            log.flush()
            finished += len(outcomes)
            if progress is not None:
                progress(finished, len(rows))
    return unreadable


def _cores() -> int:
    """Those that this process may use, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pixel_file(folder: Path, split: Split) -> Path:
    """Where the rows of a split are."""
    return folder / f"{split}.npy"


def clear_log(folder: Path) -> None:
    """Forget the log of a staging folder that has become a finished cache."""
    (folder / _LOG).unlink(missing_ok=True)


def _allocate(folder: Path, rows: list[Row], size: int) -> dict[Split, int]:
    counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
    for row in rows:
        counts[row.record.split] = max(counts[row.record.split], row.row + 1)
    missing: list[Split] = [split for split in SPLITS if not pixel_file(folder, split).exists()]
    needed = sum(counts[split] for split in missing) * size * size * 3
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise AugurError(
            f"the decoded images need {needed / 2**20:.0f} MiB, but {folder} has {free / 2**20:.0f} MiB free. Free "
            "some space, choose another runs directory, or a smaller image size."
        )
    offsets = {}
    for split in SPLITS:
        file = pixel_file(folder, split)
        if split in missing:
            # Renamed when it has its full size, so that a file of that name is never a shorter one.
            partial = file.with_suffix(".allocating")
            shape = (counts[split], size, size, 3)
            try:
                _write_header(partial, shape)
                partial.replace(file)
            except OSError as error:
                raise AugurError(
                    f"{needed / 2**20:.0f} MiB for the decoded images cannot be set up in {folder}: {error.strerror}"
                ) from error
        offsets[split] = np.lib.format.open_memmap(file, mode="r").offset if counts[split] else 0
    return offsets


def _write_header(file: Path, shape: tuple[int, ...]) -> None:
    with file.open("wb") as opened:
        np.lib.format.write_array_header_1_0(opened, {"descr": "|u1", "fortran_order": False, "shape": shape})
        opened.truncate(opened.tell() + int(np.prod(shape)))


def _read_log(folder: Path) -> set[tuple[str, int]]:
    file = folder / _LOG
    if not file.exists():
        return set()
    text = file.read_text(encoding="ascii")
    complete, _, torn = text.rpartition("\n")
    if torn:
        # A line that was cut by the kill: cut it off, lest the next one is glued to it.
        os.truncate(file, len(complete) + 1 if complete else 0)
    return {(split, int(row)) for split, row in (line.split(" ") for line in complete.splitlines())}


Outcome = tuple[Split, int, str | None]


def _decode_all(decoding: Decoding, todo: list[Row], processes: int) -> Iterator[list[Outcome]]:
    rows = iter(todo)
    chunks = iter(lambda: list(islice(rows, _CHUNK)), [])
    if processes <= 1:
        with closing(_Decoder(decoding)) as decoder:
            for chunk in chunks:
                yield decoder.decode(chunk)
        return
    # Spawned, not forked: the caller may hold threads and locks (torch, a tracking client).
    pool = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
        initargs=(decoding,),
    )
    flying: dict[Future[list[Outcome]], list[Row]] = {}
    try:
        for chunk in islice(chunks, processes * _QUEUED):
            flying[pool.submit(_decode_in_worker, chunk)] = chunk
        while flying:
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                outcomes = future.result()
                del flying[future]
                yield outcomes
                for chunk in islice(chunks, 1):
                    flying[pool.submit(_decode_in_worker, chunk)] = chunk
    except BrokenProcessPool as error:
        suspects = sorted(
            decoding.source.where(row.record.file) for chunk in flying.values() for row in chunk
        )
        raise AugurError(
            "a process that decodes images died (out of memory, or a fault in the decoder). What it was given is "
            f"among these {len(suspects)} files: {', '.join(suspects[:_CHUNK])}. Fewer processes "
            "(--data.decode_workers) or a lower --data.max_pixels need less memory; what is decoded so far is kept."
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Decoder:
    """Decodes rows into their places, in whichever process it is made."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding
        self._files = {split: pixel_file(decoding.folder, split).open("r+b") for split in SPLITS}

    def close(self) -> None:
        for opened in self._files.values():
            opened.close()

    def decode(self, rows: list[Row]) -> list[Outcome]:
        return [(row.record.split, row.row, self._decode_row(row)) for row in rows]

    def _decode_row(self, row: Row) -> str | None:
        decoding = self._decoding
        try:
            data = decoding.source.read(row.record.file)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        if hashlib.sha256(data).digest() != row.content:
            return "changed while the data set was being read"
        try:
            pixels = decode(data, decoding.size, decoding.fit, decoding.max_pixels)
        except UnreadableImage as error:
            return str(error)
        # Written, not mapped: a full disk is then an error with a name, where a mapping would end the process.
        opened = self._files[row.record.split]
        try:
            opened.seek(decoding.offsets[row.record.split] + row.row * pixels.nbytes)
            opened.write(pixels.tobytes())
            opened.flush()
        except OSError as error:
            raise AugurError(
                f"the decoded images cannot be written to {decoding.folder} ({error.strerror}). What is decoded "
                "so far is kept: make room, and run again."
            ) from error
        return None


_worker: _Decoder | None = None


def _begin_worker(decoding: Decoding) -> None:
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        # A pool's processes outlive a parent that is killed: they hold both ends of the queue they wait on.
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    _worker = _Decoder(decoding)


def _decode_in_worker(chunk: list[Row]) -> list[Outcome]:
    assert _worker is not None
    return _worker.decode(chunk)
