"""From the records of all steps to a finished set: what training reads, the provenance, and set.json last."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.aga.gates.gates import GateResult
from tools.aga.making.background_pool import Background
from tools.aga.making.chain import EditingTools, Tools
from tools.aga.making.pasting import PastingJob
from tools.aga.making.provenance import GateResults, write_backgrounds, write_images, write_sources
from tools.aga.making.request import Request
from tools.aga.making.set_keys import FORMAT
from tools.aga.making.subjects import Subject
from tools.aga.store.pieces import PIECES
from tools.aga.store.sets import DIGESTS, digests_of
from tools.files import write_checked_json, write_json, written_whole
from tools.training.synthetic import DESCRIPTION, LABELS, PIXELS, SOURCES


def finish_set(
    key: str,
    tools: Tools | EditingTools,
    subjects: Sequence[Subject],
    candidates: Sequence[Background],
    job: PastingJob,
    judged: Sequence[GateResults],
) -> None:
    """Write all files of a set; those of refused composites are removed.

    Args:
        key: of the set.
        tools: that made it.
        subjects: of all sources, usable or not.
        candidates: all backgrounds that were tried.
        job: whose shards are all done.
        judged: what was found out about each image, shard by shard of the job.
    """
    request, folder, scratch = job.request, job.work.set_folder, job.work.scratch

    def write(name: str, write_to: Callable[[Path], None]) -> None:
        with written_whole(folder / name, scratch) as temporary:
            write_to(temporary)

    maker = tools.maker.identity
    write("sources.parquet", lambda file: write_sources(file, subjects, request.sources, request.classes))
    write("backgrounds.parquet", lambda file: write_backgrounds(file, candidates, maker))

    def shards() -> Iterator[tuple[list[dict[str, Any]], GateResults]]:
        for shard, results in enumerate(judged):
            yield job.made(shard), results

    write("provenance.parquet", lambda file: write_images(file, job, shards(), maker))
    numbers: list[int] = []
    rows: list[int] = []
    for made, results in (each for shard in shards() for each in zip(*shard, strict=True)):
        if all(result.passed for result in results):
            numbers.append(made["number"])
            rows.append(job.subjects[made["place"]].row)
        else:
            (folder / made["file"]).unlink(missing_ok=True)
    write(PIXELS, lambda file: _write_pixels(file, job, numbers))
    write(LABELS, lambda file: _save(file, [request.sources.label(row) for row in rows]))
    write(SOURCES, lambda file: _save(file, rows))
    pieces = {piece for record in job.work.records() for piece in record.get("pieces", ())}
    write_json(folder / PIECES, {"pieces": sorted(pieces)}, scratch)
    results = [result for item in (*subjects, *candidates) for result in item.gates]
    results += [result for shard in judged for image in shard for result in image]
    about = {
        "format": FORMAT,
        "key": key,
        "images": len(rows),
        "sources": len(subjects),
        "usable": len(job.subjects),
        "skipped": {"no subject": sum(not each.found for each in subjects)},
        "without": _without(subjects, request),
        "by_class": _by_class(job, rows),
        "backgrounds": len(job.backgrounds),
        "gates": _counts(results),
        **request.content,
        "identities": tools.identities,
        DIGESTS: digests_of(folder),
    }
    write_checked_json(folder / DESCRIPTION, about, scratch)


def _without(subjects: Sequence[Subject], request: Request) -> list[str]:
    """The classes of which there are sources, and none can be used."""
    all_of, usable = (
        {request.sources.label(each.row) for each in chosen}
        for chosen in (subjects, [each for each in subjects if each.usable])
    )
    return [request.classes[label] for label in sorted(all_of - usable)]


def _by_class(job: PastingJob, rows: Sequence[int]) -> dict[str, dict[str, int]]:
    """Of each class with a usable source: training images, usable sources and synthetic images (their `rows`)."""
    label, classes = job.request.sources.label, job.request.classes
    usable, images = (Counter(map(label, of)) for of in ((each.row for each in job.subjects), rows))
    return {
        classes[each]: {
            "training": job.request.class_counts[each],
            "usable": usable[each],
            "images": images[each],
        }
        for each in sorted(usable)
    }


def _write_pixels(file: Path, job: PastingJob, rows: Sequence[int]) -> None:
    if len(rows) == len(job.plan):
        # Not moved: should this process be killed before set.json is written, the next one needs it here.
        _link_or_copy(job.rows.file, file)
        return
    with file.open("wb") as opened:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *job.rows.shape)}
        np.lib.format.write_array_header_1_0(opened, header)
        for row in rows:
            opened.write(job.rows.read(row).tobytes())


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # A file system without links.
        shutil.copyfile(source, target)


def _save(file: Path, values: Sequence[int]) -> None:
    with file.open("wb") as opened:
        np.save(opened, np.asarray(values, dtype=np.int64))


def _counts(results: Iterable[GateResult]) -> dict[str, dict[str, int]]:
    gates: dict[str, dict[str, int]] = {}
    for result in results:
        counts = gates.setdefault(result.gate, {"passed": 0, "refused": 0})
        said = "not_checked" if not result.checked else "passed" if result.passed else "refused"
        counts[said] = counts.get(said, 0) + 1
    return gates
