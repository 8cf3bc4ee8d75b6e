"""The first step: find each source's subject and cut it out, once for ever.

Where the detector sees several boxes, the best one alone is cut out: the paper augments one subject, and a second box
as a rule is part of the first. Masks are kept at the sources' size, so every training size and every fit shares them.
"""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from tools.aga.config import AgaConfig
from tools.aga.gates.gates import Verdict, detector_score, mask_area
from tools.aga.making.sources import TrainingSources, fitted_mask
from tools.aga.store.pieces import key_of, piece_file
from tools.aga.types import Box, Detector, Segmenter
from tools.datasets.cache.decode import Fit
from tools.files import read_json, write_json, write_whole

SHARD = 64
"""Images that are recorded together: what a kill can cost at most, apart from what is in the store already."""
_TEXT = "subject"
"""Of the PNG: the box as JSON, or null where there was none."""


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
    verdicts: tuple[Verdict, ...]

    @property
    def usable(self) -> bool:
        """Whether synthetic images are made from it."""
        return self.box is not None and all(verdict.passed for verdict in self.verdicts)


class SubjectFinder:
    """Finds the subjects of all sources, shard by shard."""

    def __init__(
        self,
        sources: TrainingSources,
        names: Sequence[str],
        detector: Detector,
        segmenter: Segmenter,
        config: AgaConfig,
        root: Path,
        image_size: int,
        fit: Fit,
    ) -> None:
        """`names` has the superclass of each label, '' for one without a subject; `root` is the store's folder."""
        self._sources, self._names, self._config = sources, names, config
        self._detector, self._segmenter = detector, segmenter
        self._root, self._image_size = root, image_size
        self._fit: Fit = fit

    def find(self, work: Path, scratch: Path, progress: Callable[[int, int], None]) -> list[Subject]:
        """One entry for each source, in the order of the rows; goes on from what is recorded in `work`."""
        total = len(self._sources)
        found: list[Subject] = []
        for start in range(0, total, SHARD):
            file = work / f"subjects-{start // SHARD:05d}.json"
            record = read_json(file)
            if record is None:
                shard = list(self._shard(range(start, min(start + SHARD, total)), scratch))
                pieces = sorted({each.mask for each in shard})
                write_json(file, {"subjects": [asdict(each) for each in shard], "pieces": pieces}, scratch)
            else:
                shard = [_from_record(each) for each in record["subjects"]]
            found += shard
            progress(len(found), total)
        return found

    def _shard(self, rows: range, scratch: Path) -> Iterator[Subject]:
        digests = [self._sources.digest(row) for row in rows]
        files = [self._file(row, digest) for row, digest in zip(rows, digests, strict=True)]
        missing = [row for row, file in zip(rows, files, strict=True) if kept_mask(file) is None]
        for name in dict.fromkeys(self._name(row) for row in missing):
            asked = [row for row in missing if self._name(row) == name]
            batch = self._config.detector.batch_size
            for start in range(0, len(asked), batch):
                self._cut_out(asked[start : start + batch], name, scratch)
        for row, digest, file in zip(rows, digests, files, strict=True):
            kept = kept_mask(file)
            assert kept is not None
            yield self._judged(row, digest, file, *kept)

    def _cut_out(self, rows: list[int], name: str, scratch: Path) -> None:
        images = [self._sources[row] for row in rows]
        found = self._detector.detect(images, name) if name else [[] for _ in images]
        for image, boxes in zip(images, found, strict=True):
            if boxes:
                mask = self._segmenter.segment(image, boxes[:1])[0]
                data = _encoded(mask, boxes[0])
            else:
                data = _encoded(np.zeros((1, 1), bool), None)
            write_whole(self._file(image.index, image.digest), data, scratch)

    def _judged(self, row: int, digest: str, file: Path, mask: np.ndarray, box: Box | None) -> Subject:
        verdicts: tuple[Verdict, ...] = ()
        area = 0.0
        if box is not None:
            training_mask = fitted_mask(mask, self._image_size, self._fit)
            area = float(training_mask.mean())
            verdicts = (detector_score(box, self._config.gates), mask_area(training_mask, self._config.gates))
        reference = file.relative_to(self._root).as_posix()
        return Subject(row, digest, self._name(row), reference, box, area, verdicts)

    def _name(self, row: int) -> str:
        return self._names[self._sources.label(row)]

    def _file(self, row: int, digest: str) -> Path:
        key = key_of(
            source=digest,
            max_side=self._sources.max_side,
            subject=self._name(row),
            detector=self._detector.identity,
            segmenter=self._segmenter.identity,
        )
        return piece_file(self._root, "masks", key)


def kept_mask(file: Path) -> tuple[np.ndarray, Box | None] | None:
    """A mask, bool (H, W), and its box; None where the file is missing or damaged, and so has to be made again."""
    try:
        with Image.open(file) as image:
            assert isinstance(image, PngImageFile)
            mask = np.array(image)
            box = json.loads(image.text[_TEXT])
    except (OSError, ValueError, KeyError, SyntaxError):
        return None
    return mask, None if box is None else Box(**box)


def _encoded(mask: np.ndarray, box: Box | None) -> bytes:
    """A PNG of one bit a pixel."""
    text = PngInfo()
    text.add_text(_TEXT, json.dumps(None if box is None else asdict(box)))
    encoded = io.BytesIO()
    Image.fromarray(np.asarray(mask, bool)).save(encoded, "PNG", pnginfo=text)
    return encoded.getvalue()


def _from_record(record: dict) -> Subject:
    box = None if record["box"] is None else Box(**record["box"])
    verdicts = tuple(Verdict(**each) for each in record["verdicts"])
    return Subject(**{**record, "box": box, "verdicts": verdicts})
