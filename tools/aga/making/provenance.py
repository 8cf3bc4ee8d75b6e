"""Where every synthetic image comes from: tables in Parquet beside the images, written shard by shard.

provenance.parquet   one row for each composite, refused ones too
sources.parquet      one row for each training image: its subject, or why it was left out
backgrounds.parquet  one row for each background that was tried
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tools.aga.gates.gates import Verdict
from tools.aga.making.pasting import Job
from tools.aga.making.pool import Background
from tools.aga.making.sources import TrainingSources
from tools.aga.making.subjects import Subject

_SOURCE_GATES = ("detector_score", "mask_area")
_BACKGROUND_GATES = ("caption_words", "background_blank", "subject_on_background")
_COMPOSITE_GATES = ("classifier",)
GATES = (*_SOURCE_GATES, *_BACKGROUND_GATES, *_COMPOSITE_GATES)
"""In the order in which an image meets them."""
_ROWS = 256
"""Of a table that are written at once."""


def _gate_fields(gates: Sequence[str]) -> list[tuple[str, pa.DataType]]:
    """For each gate: passed (null where it was not asked), and what it measured."""
    fields = []
    for gate in gates:
        fields += [(f"gate_{gate}", pa.bool_()), (f"gate_{gate}_value", pa.float64())]
    return [*fields, ("refused_because", pa.string())]


_SOURCE_FIELDS = [
    ("source_file", pa.string()),
    ("source_sha256", pa.string()),
    ("training_row", pa.int64()),
    ("label", pa.int64()),
    ("class", pa.string()),
    ("split", pa.string()),
    ("group", pa.string()),
    ("mask", pa.string()),
    ("subject", pa.string()),
    ("box_left", pa.float64()),
    ("box_top", pa.float64()),
    ("box_right", pa.float64()),
    ("box_bottom", pa.float64()),
    ("detector_score", pa.float64()),
    ("mask_area", pa.float64()),
]
_BACKGROUND_FIELDS = [
    ("caption", pa.string()),
    ("caption_instruction", pa.string()),
    ("caption_setting", pa.string()),
    ("caption_time", pa.string()),
    ("caption_origin", pa.string()),
    ("caption_attempts", pa.int64()),
    ("caption_warning", pa.string()),
    ("background", pa.string()),
    ("background_seed", pa.int64()),
    ("maker", pa.string()),
]
_COMPOSITE_FIELDS = [
    ("copy", pa.int64()),
    ("flip", pa.bool_()),
    ("rotation", pa.float64()),
    ("scale", pa.float64()),
    ("dx", pa.float64()),
    ("dy", pa.float64()),
]
_IMAGE = pa.schema(
    [
        ("number", pa.int64()),
        *_SOURCE_FIELDS,
        *_BACKGROUND_FIELDS,
        *_COMPOSITE_FIELDS,
        *_gate_fields(GATES),
        ("accepted", pa.bool_()),
        ("file", pa.string()),
        ("sha256", pa.string()),
    ]
)
_SOURCE = pa.schema([*_SOURCE_FIELDS, *_gate_fields(_SOURCE_GATES), ("usable", pa.bool_())])
_BACKGROUND = pa.schema(
    [
        ("number", pa.int64()),
        *_BACKGROUND_FIELDS,
        *_gate_fields(_BACKGROUND_GATES),
        ("accepted", pa.bool_()),
    ]
)


class ImageTable:
    """provenance.parquet while it is being written: a row group for each shard."""

    def __init__(self, file: Path, job: Job, classes: Sequence[str], maker: str) -> None:
        """`maker` is the background maker's identity."""
        self._job, self._classes, self._maker = job, classes, maker
        self._writer = pq.ParquetWriter(file, _IMAGE)

    def __enter__(self) -> "ImageTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, composites: Iterable[dict[str, Any]], verdicts: Sequence[Verdict | None]) -> None:
        """One shard: its records, and for each what the classifier said (None where it was not asked)."""
        rows = []
        for made, verdict in zip(composites, verdicts, strict=True):
            subject, background = (
                self._job.subjects[made["place"]],
                self._job.backgrounds[made["background"]],
            )
            own = () if verdict is None else (verdict,)
            accepted = all(each.passed for each in own)
            rows.append(
                _source(subject, self._job.sources, self._classes)
                | _background(background, self._maker)
                | {name: made[name] for name, _ in _COMPOSITE_FIELDS}
                | _gates(GATES, (*subject.verdicts, *background.verdicts, *own))
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
    _write(
        file,
        _SOURCE,
        (
            _source(each, sources, classes) | _gates(_SOURCE_GATES, each.verdicts) | {"usable": each.usable}
            for each in subjects
        ),
    )


def write_backgrounds(file: Path, candidates: Sequence[Background], maker: str) -> None:
    """Write backgrounds.parquet."""
    _write(
        file,
        _BACKGROUND,
        (
            _background(each, maker)
            | _gates(_BACKGROUND_GATES, each.verdicts)
            | {"number": each.number, "accepted": each.accepted}
            for each in candidates
        ),
    )


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


def _gates(gates: Sequence[str], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    said = {verdict.gate: verdict for verdict in verdicts}
    columns: dict[str, Any] = {}
    for gate in gates:
        verdict = said.get(gate)
        columns[f"gate_{gate}"] = verdict and verdict.passed
        columns[f"gate_{gate}_value"] = verdict and verdict.value
    columns["refused_because"] = "; ".join(each.reason for each in verdicts if not each.passed)
    return columns
