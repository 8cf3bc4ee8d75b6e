"""The second step: captions, and the pool of backgrounds that all classes and all scales share.

Candidates come one after the other: a combination of the three sets, its caption, its picture. One that a gate
refuses is replaced by the next, until the pool is full or the candidates have run out. A picture is made once for each
maker, caption, seed and size, and a detector searches it once for each subject.
"""

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.aga.captions.combinations import combinations
from tools.aga.gates.gates import GateResult, background_blank, caption_words, subject_on_background
from tools.aga.making.chain import StageProgress, Tools
from tools.aga.making.request import Request
from tools.aga.making.set_plan import background_seed, candidate_limit
from tools.aga.making.work_folder import SHARD, WorkFolder, from_record, to_record
from tools.aga.store.pictures import kept_picture
from tools.aga.store.pieces import key_of, piece_file
from tools.aga.types import Box, Caption, SourceImage
from tools.files import read_json, write_json, write_whole

_PICTURES = 32
"""Pictures that are asked of the maker at once: what a kill can cost at most, and enough for several GPUs."""


@dataclass(frozen=True, slots=True)
class Background:
    """A candidate for the pool, and what became of it."""

    number: int
    """Among the candidates, from 0."""
    caption: Caption
    seed: int
    file: str
    """Within the store; empty where the caption was refused, so that no picture was made."""
    gates: tuple[GateResult, ...]

    @property
    def accepted(self) -> bool:
        """Whether it is in the pool."""
        return all(result.passed for result in self.gates)


class BackgroundPool:
    """Fills the pool, shard by shard."""

    def __init__(
        self,
        request: Request,
        tools: Tools,
        subjects: Sequence[str],
        work: WorkFolder,
        progress: StageProgress,
    ) -> None:
        """`subjects` are what no background may show, where the request has backgrounds searched."""
        self._request, self._tools, self._work, self._progress = request, tools, work, progress
        self._subjects = list(subjects) if request.redetects else []
        self._wanted = request.backgrounds
        self._limit = candidate_limit(self._wanted)
        prompts = request.prompts
        self._drawn = combinations(
            prompts.instructions, prompts.settings, prompts.times, self._limit, request.seed
        )
        self._captions: dict[tuple[str, str, str], Caption] = {}
        self._times: Counter[str] = Counter()

    def fill(self) -> list[Background]:
        """All candidates up to the one that makes the pool full; resumes from what is recorded."""
        candidates: list[Background] = []
        accepted = shard = 0
        while accepted < self._wanted and len(candidates) < self._limit:
            start, before = len(candidates), accepted
            record = self._work.recorded(
                "backgrounds", shard, lambda start=start, before=before: self._record(start, before)
            )
            new = [_background(each) for each in record["backgrounds"]]
            for each in new:
                self._captions[self._drawn[each.number]] = each.caption
                self._times[each.caption.text] += 1
            candidates += new
            accepted += sum(each.accepted for each in new)
            shard += 1
            self._progress("backgrounds", accepted, self._wanted)
        return candidates

    def _record(self, start: int, accepted: int) -> dict[str, Any]:
        """Make one shard of candidates, from number `start` on, where `accepted` are in the pool already."""
        size = min(SHARD, self._wanted - accepted, self._limit - start)
        candidates = self._candidates(start, size)
        self._progress("captions", min(accepted + size, self._wanted), self._wanted)
        shard: list[Background] = []
        pieces: list[str] = []
        for first in range(0, size, _PICTURES):
            part = candidates[first : first + _PICTURES]
            self._make_missing([each for each in part if each.accepted])
            for candidate in part:
                if candidate.accepted:
                    candidate = self._judged(candidate, pieces)
                    accepted += candidate.accepted
                shard.append(candidate)
            self._progress("backgrounds", accepted, self._wanted)
        return {"backgrounds": [to_record(each) for each in shard], "pieces": pieces}

    def _candidates(self, start: int, size: int) -> list[Background]:
        """Captions, judged, each with the seed of its picture; no picture yet."""
        drawn = self._drawn[start : start + size]
        avoid = self._request.forbidden_words
        new = list(dict.fromkeys(each for each in drawn if each not in self._captions))
        made = self._tools.captioner.caption(new, avoid) if new else []
        captions = self._captions | dict(zip(new, made, strict=True))
        times = self._times.copy()
        candidates = []
        for number, combination in enumerate(drawn, start):
            caption = captions[combination]
            result = caption_words(caption, avoid)
            seed = background_seed(self._request.seed, caption.text, times[caption.text])
            times[caption.text] += 1
            file = self._picture_file(caption.text, seed) if result.passed else ""
            candidates.append(Background(number, caption, seed, file, (result,)))
        return candidates

    def _picture_file(self, caption: str, seed: int) -> str:
        size = self._request.background_size
        key = key_of(maker=self._tools.maker.identity, size=size, caption=caption, seed=seed)
        return piece_file(Path(), "backgrounds", key).as_posix()

    def _make_missing(self, backgrounds: Sequence[Background]) -> None:
        root = self._request.root
        missing = [each for each in backgrounds if kept_picture(root / each.file) is None]
        if not missing:
            return
        captions, seeds = [each.caption.text for each in missing], [each.seed for each in missing]
        pictures = self._tools.maker.make(captions, seeds, self._request.background_size)
        for each, picture in zip(missing, pictures, strict=True):
            encoded = io.BytesIO()
            Image.fromarray(picture).save(encoded, "PNG", compress_level=1)
            write_whole(root / each.file, encoded.getvalue(), self._work.scratch)

    def _judged(self, candidate: Background, pieces: list[str]) -> Background:
        """The candidate with the results of all gates; its files are added to `pieces`."""
        picture, limits = kept_picture(self._request.root / candidate.file), self._request.config.gates
        assert picture is not None
        results = [*candidate.gates, background_blank(picture, limits)]
        if results[-1].passed and self._subjects:
            boxes = [box for name in self._subjects for box in self._seen(candidate, picture, name, pieces)]
            results.append(subject_on_background(boxes, limits))
        pieces.append(candidate.file)
        return replace(candidate, gates=tuple(results))

    def _seen(self, candidate: Background, picture: np.ndarray, subject: str, pieces: list[str]) -> list[Box]:
        """Where the detector sees the subject on the background; asked once for all sets."""
        detector, name = self._tools.detector, Path(candidate.file).stem
        key = key_of(background=name, subject=subject, detector=detector.identity)
        file = piece_file(self._request.root, "sightings", key)
        kept = read_json(file)
        if kept is None:
            image = SourceImage(0, candidate.file, picture, 0, "", name)
            kept = [asdict(box) for box in detector.detect([image], subject)[0]]
            write_json(file, kept, self._work.scratch)
        pieces.append(file.relative_to(self._request.root).as_posix())
        return [Box(**each) for each in kept]


def _background(record: dict[str, Any]) -> Background:
    return Background(**{**from_record(record), "caption": Caption(**record["caption"])})
