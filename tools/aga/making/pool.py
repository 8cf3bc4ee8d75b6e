"""The second step: captions, and the pool of backgrounds that all classes and all scales share.

Candidates come one after the other: a combination of the three sets, its caption, its picture. One that a gate
refuses is replaced by the next, until the pool is full or the candidates have run out. A picture is made once for each
maker, caption, seed and size, and a detector looks at it once for each subject.
"""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tools.aga.captions.combinations import combinations
from tools.aga.config import GatesConfig, PromptSet
from tools.aga.gates.gates import Verdict, background_blank, caption_words, subject_on_background
from tools.aga.recipe import background_seed, candidate_limit
from tools.aga.store.pieces import key_of, piece_file
from tools.aga.types import BackgroundMaker, Box, Caption, Captioner, Detector, SourceImage
from tools.files import read_json, write_json, write_whole

SHARD = 64
"""Candidates that are recorded together."""
PICTURES = 32
"""Pictures that are asked of the maker at once: what a kill can cost at most, and enough for several GPUs."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Background:
    """A candidate for the pool, and what became of it."""

    number: int
    """Among the candidates, from 0."""
    caption: Caption
    seed: int
    file: str
    """Within the store; empty where the caption was refused, so that no picture was made."""
    verdicts: tuple[Verdict, ...]

    @property
    def accepted(self) -> bool:
        """Whether it is in the pool."""
        return all(verdict.passed for verdict in self.verdicts)


class Pool:
    """Fills the pool, shard by shard."""

    def __init__(
        self,
        prompts: PromptSet,
        avoid: Sequence[str],
        subjects: Sequence[str],
        captioner: Captioner,
        maker: BackgroundMaker,
        detector: Detector | None,
        gates: GatesConfig,
        root: Path,
        size: int,
        seed: int,
    ) -> None:
        """What backgrounds are made of.

        Args:
            prompts: the three sets.
            avoid: words that no caption may have.
            subjects: what no background may show.
            captioner: writes the captions.
            maker: makes the pictures.
            detector: looks for the subjects; None where there is none that looks.
            gates: limits of the gates.
            root: folder of the store.
            size: side of the backgrounds in pixels.
            seed: of the combinations and of the pictures.
        """
        self._prompts, self._avoid = prompts, list(avoid)
        self._subjects = list(dict.fromkeys(subjects)) if detector is not None else []
        self._captioner, self._maker, self._detector = captioner, maker, detector
        self._gates, self._root, self._size, self._seed = gates, root, size, seed
        self._captions: dict[tuple[str, str, str], Caption] = {}
        self._times: Counter[str] = Counter()
        self._pieces: list[str] = []

    def fill(self, wanted: int, work: Path, scratch: Path, progress: Progress) -> list[Background]:
        """All candidates up to the one that makes the pool full; goes on from what is recorded in `work`.

        Args:
            wanted: backgrounds that the pool is to have.
            work: folder of the records.
            scratch: folder for files while they are written.
            progress: called with ('captions' or 'backgrounds', done, wanted).
        """
        prompts, limit = self._prompts, candidate_limit(wanted)
        drawn = combinations(prompts.instructions, prompts.settings, prompts.times, limit, self._seed)
        candidates: list[Background] = []
        accepted = shard = 0
        while accepted < wanted and len(candidates) < limit:
            file = work / f"backgrounds-{shard:05d}.json"
            record = read_json(file)
            if record is None:
                start = len(candidates)
                size = min(SHARD, wanted - accepted, limit - start)
                new = self._shard(drawn[start : start + size], start, scratch, accepted, wanted, progress)
                pieces, self._pieces = self._pieces, []
                write_json(file, {"backgrounds": [asdict(each) for each in new], "pieces": pieces}, scratch)
            else:
                new = [_from_record(each) for each in record["backgrounds"]]
                self._remember(new, drawn)
            candidates += new
            accepted += sum(each.accepted for each in new)
            shard += 1
            progress("backgrounds", accepted, wanted)
        return candidates

    def _shard(
        self,
        drawn: Sequence[tuple[str, str, str]],
        first: int,
        scratch: Path,
        accepted: int,
        wanted: int,
        progress: Progress,
    ) -> list[Background]:
        new = list(dict.fromkeys(each for each in drawn if each not in self._captions))
        if new:
            captions = self._captioner.caption(new, self._avoid)
            self._captions.update(zip(new, captions, strict=True))
        progress("captions", min(accepted + len(drawn), wanted), wanted)
        shard: list[Background] = []
        for start in range(0, len(drawn), PICTURES):
            part = drawn[start : start + PICTURES]
            begun = [self._begun(first + start + at, self._captions[each]) for at, each in enumerate(part)]
            self._make_missing([each for each in begun if each.accepted], scratch)
            for each in begun:
                if each.accepted:
                    picture = kept_picture(self._root / each.file)
                    assert picture is not None
                    each = self._judged(each, picture, scratch)
                    accepted += each.accepted
                shard.append(each)
            progress("backgrounds", accepted, wanted)
        return shard

    def _begun(self, number: int, caption: Caption) -> Background:
        verdict = caption_words(caption, self._avoid)
        seed = background_seed(self._seed, caption.text, self._times[caption.text])
        self._times[caption.text] += 1
        file = self._file("backgrounds", caption=caption.text, seed=seed) if verdict.passed else ""
        return Background(number, caption, seed, file, (verdict,))

    def _make_missing(self, backgrounds: Sequence[Background], scratch: Path) -> None:
        missing = [each for each in backgrounds if kept_picture(self._root / each.file) is None]
        if not missing:
            return
        captions, seeds = [each.caption.text for each in missing], [each.seed for each in missing]
        pictures = self._maker.make(captions, seeds, self._size)
        for each, picture in zip(missing, pictures, strict=True):
            encoded = io.BytesIO()
            Image.fromarray(picture).save(encoded, "PNG", compress_level=1)
            write_whole(self._root / each.file, encoded.getvalue(), scratch)

    def _judged(self, background: Background, picture: np.ndarray, scratch: Path) -> Background:
        verdicts = [*background.verdicts, background_blank(picture, self._gates)]
        if verdicts[-1].passed and self._subjects:
            boxes = [box for name in self._subjects for box in self._seen(background, picture, name, scratch)]
            verdicts.append(subject_on_background(boxes, self._gates))
        self._pieces.append(background.file)
        return Background(
            background.number, background.caption, background.seed, background.file, tuple(verdicts)
        )

    def _seen(self, background: Background, picture: np.ndarray, subject: str, scratch: Path) -> list[Box]:
        """Where the detector sees the subject on the background; asked once for ever."""
        assert self._detector is not None
        name = Path(background.file).stem
        file = self._root / self._file(
            "sightings", background=name, subject=subject, detector=self._detector.identity
        )
        kept = read_json(file)
        if kept is None:
            image = SourceImage(0, background.file, picture, 0, "", name)
            kept = [asdict(box) for box in self._detector.detect([image], subject)[0]]
            write_json(file, kept, scratch)
        self._pieces.append(file.relative_to(self._root).as_posix())
        return [Box(**each) for each in kept]

    def _file(self, kind: str, **parts: object) -> str:
        if kind == "backgrounds":
            key = key_of(maker=self._maker.identity, size=self._size, **parts)
            return piece_file(Path(), "backgrounds", key).as_posix()
        return piece_file(Path(), "sightings", key_of(**parts)).as_posix()

    def _remember(self, recorded: Sequence[Background], drawn: Sequence[tuple[str, str, str]]) -> None:
        for each in recorded:
            self._captions[drawn[each.number]] = each.caption
            self._times[each.caption.text] += 1


def kept_picture(file: Path) -> np.ndarray | None:
    """A background, uint8 (S, S, 3); None where the file is missing or damaged, and so has to be made again."""
    try:
        with Image.open(file) as image:
            return np.array(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError):
        return None


def _from_record(record: dict) -> Background:
    verdicts = tuple(Verdict(**each) for each in record["verdicts"])
    return Background(**{**record, "caption": Caption(**record["caption"]), "verdicts": verdicts})
