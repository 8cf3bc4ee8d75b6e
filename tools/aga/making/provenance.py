"""Where every synthetic image comes from: tables in Parquet beside the images.

provenance.parquet   one row for each composite, refused ones too
sources.parquet      one row for each training image: its subject, or why it was skipped
backgrounds.parquet  one row for each background that was tried
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tools.aga.gates.gates import GateResult
from tools.aga.making.background_pool import Background
from tools.aga.making.pasting import PastingJob
from tools.aga.making.source_images import TrainingSources
from tools.aga.making.subjects import Subject
from tools.text import clean

Item = TypeVar("Item")
GateResults = Sequence[Sequence[GateResult]]
"""What was found out about each image of a shard after it was made; nothing where no judge was asked."""

_SOURCE_GATES = ("detector_score", "mask_area", "recognised", "recognised_share")
_BACKGROUND_GATES = ("caption_words", "background_blank", "subject_on_background")
_GATES = (*_SOURCE_GATES, *_BACKGROUND_GATES, "semantic", "classifier")
"""In the order in which an image meets them."""
_ROWS = 256
"""Of a table that are written at once."""

_TEXT, _WHOLE, _REAL, _FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def _columns(kind: pa.DataType, *names: str) -> list[tuple[str, pa.DataType]]:
    return [(name, kind) for name in names]


def _gate_columns(gates: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    """For each gate: passed (null where it was not asked), and what it measured."""
    columns = []
    for gate in gates:
        columns += [(f"gate_{gate}", _FLAG), (f"gate_{gate}_value", _REAL)]
    return [*columns, ("refused_because", _TEXT)]


_SOURCE_COLUMNS = [
    *_columns(_TEXT, "source_file", "source_sha256"),
    *_columns(_WHOLE, "training_row", "label"),
    *_columns(_TEXT, "class", "split", "group", "mask", "subject"),
    *_columns(_REAL, "box_left", "box_top", "box_right", "box_bottom", "detector_score", "mask_area"),
]
_BACKGROUND_COLUMNS = [
    *_columns(_TEXT, "caption", "caption_instruction", "caption_setting", "caption_time", "caption_origin"),
    *_columns(_WHOLE, "caption_attempts"),
    *_columns(_TEXT, "caption_warning", "background"),
    *_columns(_WHOLE, "background_seed"),
    *_columns(_TEXT, "maker"),
]
_PLACEMENT_COLUMNS = [
    *_columns(_WHOLE, "copy"),
    *_columns(_FLAG, "flip"),
    *_columns(_REAL, "rotation", "scale", "dx", "dy"),
]
_IMAGE = pa.schema(
    [
        ("number", _WHOLE),
        *_SOURCE_COLUMNS,
        *_BACKGROUND_COLUMNS,
        *_PLACEMENT_COLUMNS,
        *_gate_columns(_GATES),
        ("accepted", _FLAG),
        *_columns(_TEXT, "file", "sha256"),
    ]
)
_SOURCE = pa.schema([*_SOURCE_COLUMNS, *_gate_columns(_SOURCE_GATES), ("usable", _FLAG)])
_BACKGROUND = pa.schema(
    [("number", _WHOLE), *_BACKGROUND_COLUMNS, *_gate_columns(_BACKGROUND_GATES), ("accepted", _FLAG)]
)


def write_images(
    file: Path, job: PastingJob, shards: Iterable[tuple[Sequence[dict[str, Any]], GateResults]], maker: str
) -> None:
    """Write provenance.parquet, a row group for each shard.

    Args:
        file: to be written.
        job: that made the composites.
        shards: for each the records of its composites, and what was found out about them.
        maker: the background maker's identity.
    """
    sources, classes = job.request.sources, job.request.classes

    def row(made: dict[str, Any], results: Sequence[GateResult]) -> dict[str, Any]:
        subject, background = job.subjects[made["place"]], job.backgrounds[made["background"]]
        accepted = all(result.passed for result in results)
        return {
            **_source(subject, sources, classes),
            **_background(background, maker),
            **{name: made[name] for name, _ in _PLACEMENT_COLUMNS},
            **_gates(_GATES, (*subject.gates, *background.gates, *results)),
            "number": made["number"],
            "accepted": accepted,
            "file": made["file"] if accepted else None,
            "sha256": made["sha256"] if accepted else None,
        }

    _write(file, _IMAGE, ([row(*each) for each in zip(*shard, strict=True)] for shard in shards))


def write_sources(
    file: Path, subjects: Sequence[Subject], sources: TrainingSources, classes: Sequence[str]
) -> None:
    """Write sources.parquet."""

    def row(each: Subject) -> dict[str, Any]:
        return {
            **_source(each, sources, classes),
            **_gates(_SOURCE_GATES, each.gates),
            "usable": each.usable,
        }

    _write(file, _SOURCE, ([row(each) for each in group] for group in _groups(subjects)))


def write_backgrounds(file: Path, candidates: Sequence[Background], maker: str) -> None:
    """Write backgrounds.parquet."""

    def row(each: Background) -> dict[str, Any]:
        gates = _gates(_BACKGROUND_GATES, each.gates)
        return {**_background(each, maker), **gates, "number": each.number, "accepted": each.accepted}

    _write(file, _BACKGROUND, ([row(each) for each in group] for group in _groups(candidates)))


def _groups(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Groups of `_ROWS` items; the last has fewer, perhaps none."""
    for start in range(0, len(items) + 1, _ROWS):
        yield items[start : start + _ROWS]


def _write(file: Path, schema: pa.Schema, groups: Iterable[list[dict[str, Any]]]) -> None:
    with pq.ParquetWriter(file, schema) as writer:
        for rows in groups:
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _source(subject: Subject, sources: TrainingSources, classes: Sequence[str]) -> dict[str, Any]:
    label, box = sources.label(subject.row), subject.box
    return {
        # Names need not be UTF-8, and Parquet holds nothing else.
        "source_file": clean(sources.file(subject.row)),
        "source_sha256": subject.digest,
        "training_row": subject.row,
        "label": label,
        "class": clean(classes[label]),
        "split": "train",
        "group": clean(sources.group(subject.row)),
        "mask": subject.mask or None,
        "subject": subject.name,
        "box_left": box and box.left,
        "box_top": box and box.top,
        "box_right": box and box.right,
        "box_bottom": box and box.bottom,
        "detector_score": box and box.score,
        "mask_area": subject.area if box else None,
    }


def _background(background: Background, maker: str) -> dict[str, Any]:
    caption = background.caption
    return {
        "caption": caption.text,
        "caption_instruction": caption.instruction,
        "caption_setting": caption.setting,
        "caption_time": caption.time,
        "caption_origin": caption.origin,
        "caption_attempts": caption.attempts,
        "caption_warning": caption.warning,
        "background": background.file or None,
        "background_seed": background.seed,
        "maker": maker,
    }


def _gates(gates: Sequence[str], results: Sequence[GateResult]) -> dict[str, Any]:
    by_gate = {result.gate: result for result in results}
    columns: dict[str, Any] = {}
    for gate in gates:
        result = by_gate.get(gate)
        columns[f"gate_{gate}"] = result.passed if result and result.checked else None
        columns[f"gate_{gate}_value"] = result and result.value
    columns["refused_because"] = "; ".join(result.reason for result in results if not result.passed)
    return columns
