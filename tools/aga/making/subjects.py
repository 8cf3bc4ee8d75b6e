"""The first step: find each source's subject and cut it out, once for all sets.

Where the detector sees several boxes, only the best one is cut out: the paper augments one subject, and a second box
is usually part of the first. Without a detector, a segmenter that finds subjects itself gives the box. Masks are kept
at the sources' size, so every training size and every fit shares them.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.aga.gates.gates import GateResult, detector_score, mask_area
from tools.aga.making.chain import Tools
from tools.aga.making.request import Request
from tools.aga.making.source_images import fitted_mask
from tools.aga.making.work_folder import SHARD, WorkFolder, from_record, to_record
from tools.aga.store.pictures import encoded_mask, kept_mask
from tools.aga.store.pieces import key_of, piece_file
from tools.aga.types import Box, FindsSubjects, SourceImage
from tools.files import read_json, write_json, write_whole
from tools.machine import usable_cores

if TYPE_CHECKING:
    from tools.aga.gates.recognised import RecognisedGate, Seen

_log = logging.getLogger(__name__)

_NOTHING = np.zeros((1, 1), bool)
"""The mask where there is no box."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known about the subject of a source."""

    row: int
    digest: str
    name: str
    """What the detector was asked for."""
    mask: str
    """The mask's file within the store."""
    box: Box | None
    """In pixels of the source; None where the detector saw no subject."""
    area: float
    """Share of the training image that the mask covers, 0..1."""
    gates: tuple[GateResult, ...]
    whole: bool = False
    """Whether the whole image is used, and no subject was looked for."""

    @property
    def found(self) -> bool:
        """Whether there is something to make images from."""
        return self.whole or self.box is not None

    @property
    def usable(self) -> bool:
        """Whether synthetic images are made from it."""
        return self.found and all(result.passed for result in self.gates)


class SubjectFinder:
    """Finds the subjects of all sources, shard by shard."""

    def __init__(self, request: Request, tools: Tools, work: WorkFolder) -> None:
        self._request, self._sources, self._tools, self._work = request, request.sources, tools, work
        self._finder = None
        if request.config.detector.kind == "none" and isinstance(tools.segmenter, FindsSubjects):
            self._finder = tools.segmenter
        self._recognised = None
        if request.recognised > 0:
            from tools.aga.gates.recognised import RecognisedGate

            share = request.config.gates.recognised_share
            self._recognised = RecognisedGate(request.classes, request.subjects, request.recognised, share)
        elif request.config.recognised > 0 and request.config.gates.recognised is not None:
            _log.warning(
                "aga.gates.recognised %g asks nothing: ImageNet has none of these classes, nor their superclasses, nor "
                "kinds of them",
                request.config.gates.recognised,
            )
        self._threads = usable_cores() if getattr(tools.segmenter, "in_threads", False) else 1
        self._threads = getattr(tools.segmenter, "at_once", self._threads)

    def find(self, progress: Callable[[int, int], None]) -> list[Subject]:
        """One entry for each source, in the order of the rows; resumes from what is recorded."""
        total = len(self._sources)
        found: list[Subject] = []
        with ThreadPoolExecutor(self._threads) as pool:
            for start in range(0, total, SHARD):
                rows = range(start, min(start + SHARD, total))
                record = self._work.recorded(
                    "subjects", start // SHARD, lambda rows=rows: self._record(rows, pool)
                )
                found += [_subject(each) for each in record["subjects"]]
                progress(len(found), total)
        return found

    def _record(self, rows: range, pool: ThreadPoolExecutor) -> dict[str, Any]:
        pieces: list[str] = []
        shard = list(self._shard(rows, pool, pieces))
        return {"subjects": [to_record(each) for each in shard], "pieces": sorted(set(pieces))}

    def _shard(self, rows: range, pool: ThreadPoolExecutor, pieces: list[str]) -> Iterator[Subject]:
        digests = [self._sources.digest(row) for row in rows]
        files = [self._file(row, digest) for row, digest in zip(rows, digests, strict=True)]
        missing = [row for row, file in zip(rows, files, strict=True) if kept_mask(file) is None]
        for name in dict.fromkeys(self._name(row) for row in missing):
            asked = [row for row in missing if self._name(row) == name]
            batch = max(self._request.config.detector.batch_size, self._threads)
            for start in range(0, len(asked), batch):
                self._cut_out(asked[start : start + batch], name, pool)
        for row, digest, file in zip(rows, digests, files, strict=True):
            kept = kept_mask(file)
            assert kept is not None
            yield self._judged(row, digest, file, *kept, pieces)

    def _cut_out(self, rows: list[int], name: str, pool: ThreadPoolExecutor) -> None:
        images = [self._sources[row] for row in rows]
        if not name:
            cut = [(_NOTHING, None)] * len(images)
        elif self._finder is not None:
            cut = pool.map(self._finder.find, images)
        else:
            cut = pool.map(self._segmented, images, self._tools.detector.detect(images, name))
        for image, (mask, box) in zip(images, cut, strict=True):
            write_whole(self._file(image.index, image.digest), encoded_mask(mask, box), self._work.scratch)

    def _segmented(self, image: SourceImage, boxes: list[Box]) -> tuple[np.ndarray, Box | None]:
        if not boxes:
            return _NOTHING, None
        return self._tools.segmenter.segment(image, boxes[:1])[0], boxes[0]

    def _judged(
        self, row: int, digest: str, file: Path, mask: np.ndarray, box: Box | None, pieces: list[str]
    ) -> Subject:
        """The subject with the results of its gates; its files are added to `pieces`."""
        gates: tuple[GateResult, ...] = ()
        area = 0.0
        if box is not None:
            training_mask = fitted_mask(mask, self._request.image_size, self._request.fit)
            area = float(training_mask.mean())
            limits = self._request.config.gates
            gates = (self._found_surely(box), mask_area(training_mask, limits))
            if self._recognised is not None and all(each.passed for each in gates):
                gates = (
                    *gates,
                    *self._recognised.judge(self._seen(self._recognised, row, file, mask, pieces)),
                )
        reference = file.relative_to(self._request.root).as_posix()
        pieces.append(reference)
        return Subject(row, digest, self._name(row), reference, box, area, gates)

    def _found_surely(self, box: Box) -> GateResult:
        if self._finder is None and self._request.config.detector.kind == "none":
            return GateResult("detector_score", True, None, "the middle of the image was taken unseen")
        return detector_score(box, self._request.config.gates, self._finder is not None)

    def _seen(
        self, gate: "RecognisedGate", row: int, file: Path, mask: np.ndarray, pieces: list[str]
    ) -> "Seen | None":
        """What the gate sees in the cut-out, looked at once for all sets; None where it does not know the class."""
        from tools.aga.gates.recognised import Seen

        if not gate.asks(self._sources.label(row)):
            return None
        kept = piece_file(self._request.root, "cutouts", key_of(mask=file.stem, network=gate.identity))
        found = read_json(kept)
        if found is None:
            found = asdict(gate.look(self._sources[row].pixels, mask))
            write_json(kept, found, self._work.scratch)
        pieces.append(kept.relative_to(self._request.root).as_posix())
        return Seen(**found)

    def _name(self, row: int) -> str:
        return self._request.subjects[self._sources.label(row)]

    def _file(self, row: int, digest: str) -> Path:
        key = key_of(
            source=digest,
            max_side=self._sources.max_side,
            subject=self._name(row),
            detector=self._tools.detector.identity,
            segmenter=self._tools.segmenter.identity,
        )
        return piece_file(self._request.root, "masks", key)


def _subject(record: dict[str, Any]) -> Subject:
    box = None if record["box"] is None else Box(**record["box"])
    return Subject(**{**from_record(record), "box": box})
