"""Where every synthetic image comes from: tables in Parquet beside the images.

provenance.parquet   one row for each composite, refused ones too
sources.parquet      one row for each training image: its subject, or why it was skipped
backgrounds.parquet  one row for each background that was tried
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tools.aga.gates.gates import GateResult
from tools.aga.making.background_pool import Background
from tools.aga.making.pasting import PastingJob
from tools.aga.making.source_images import TrainingSources
from tools.aga.making.subjects import Subject

_SOURCE_GATES = ("detector_score", "mask_area")
_BACKGROUND_GATES = ("caption_words", "background_blank", "subject_on_background")
_GATES = (*_SOURCE_GATES, *_BACKGROUND_GATES, "classifier")
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


class ImageTable:
    """provenance.parquet while it is being written: a row group for each shard."""

    def __init__(self, file: Path, job: PastingJob, maker: str) -> None:
        """`maker` is the background maker's identity."""
        self._job, self._maker = job, maker
        self._writer = pq.ParquetWriter(file, _IMAGE)

    def __enter__(self) -> "ImageTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, composites: Iterable[dict[str, Any]], judged: Sequence[GateResult | None]) -> None:
        """One shard: its records, and for each what the classifier said (None where it was not asked)."""
        request = self._job.request
        rows = []
        for made, result in zip(composites, judged, strict=True):
            subject = self._job.subjects[made["place"]]
            background = self._job.backgrounds[made["background"]]
            accepted = result is None or result.passed
            results = (*subject.gates, *background.gates, *([result] if result else []))
            rows.append(
                _source(subject, request.sources, request.classes)
                | _background(background, self._maker)
                | {name: made[name] for name, _ in _PLACEMENT_COLUMNS}
                | _gates(_GATES, results)
                | {
                    "number": made["number"],
                    "accepted": accepted,
                    "file": made["file"] if accepted else None,
                    "sha256": made["sha256"] if accepted else None,
                }
            )
        self._writer.write_table(pa.Table.from_pylist(rows, _IMAGE))


def write_sources(
    file: Path, subjects: Sequence[Subject], sources: TrainingSources, classes: Sequence[str]
) -> None:
    """Write sources.parquet."""
    rows = (
        _source(each, sources, classes) | _gates(_SOURCE_GATES, each.gates) | {"usable": each.usable}
        for each in subjects
    )
    _write(file, _SOURCE, rows)


def write_backgrounds(file: Path, candidates: Sequence[Background], maker: str) -> None:
    """Write backgrounds.parquet."""
    rows = (
        _background(each, maker)
        | _gates(_BACKGROUND_GATES, each.gates)
        | {"number": each.number, "accepted": each.accepted}
        for each in candidates
    )
    _write(file, _BACKGROUND, rows)


def _write(file: Path, schema: pa.Schema, rows: Iterator[dict[str, Any]]) -> None:
    with pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            if len(batch) == _ROWS:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))


def _source(subject: Subject, sources: TrainingSources, classes: Sequence[str]) -> dict[str, Any]:
    label, box = sources.label(subject.row), subject.box
    return {
        "source_file": sources.file(subject.row),
        "source_sha256": subject.digest,
        "training_row": subject.row,
        "label": label,
        "class": classes[label],
        "split": "train",
        "group": sources.group(subject.row),
        "mask": subject.mask,
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
        columns[f"gate_{gate}"] = result and result.passed
        columns[f"gate_{gate}_value"] = result and result.value
    columns["refused_because"] = "; ".join(result.reason for result in results if not result.passed)
    return columns
