"""A set while it is made: the three steps, the judge, and what turns their records into a finished set."""

import io
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tools.aga.config import AgaConfig, PromptSet
from tools.aga.gates.gates import Verdict
from tools.aga.making.pasting import Job, paste_all, read_record
from tools.aga.making.pool import Background, Pool
from tools.aga.making.provenance import ImageTable, write_backgrounds, write_sources
from tools.aga.making.sources import TrainingSources
from tools.aga.making.subjects import Subject, SubjectFinder
from tools.aga.recipe import (
    FORMAT,
    Plan,
    background_size,
    candidate_limit,
    image_count,
    pool_size,
    redetects,
    words_to_avoid,
)
from tools.aga.store.pieces import ABOUT, PIECES, PLAN, WORK
from tools.datasets.cache.decode import Fit
from tools.errors import AugurError
from tools.files import read_json, write_json, write_whole, written_whole

if TYPE_CHECKING:
    from tools.aga.pipeline import Tools

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Making:
    """Makes one set, or what is missing of it. Only under the set's lock."""

    sources: TrainingSources
    prompts: PromptSet
    tools: "Tools"
    config: AgaConfig
    root: Path
    folder: Path
    image_size: int
    fit: Fit
    seed: int
    names: Sequence[str]
    """The superclass of each label."""
    classes: Sequence[str]
    needed: int
    """Bytes, at most."""

    def run(self, key: str, content: dict[str, Any], progress: Progress) -> None:
        """Make all that is missing; afterwards the folder holds a finished set.

        Args:
            key: of the set.
            content: what the key was made of, to be written down.
            progress: see `tools.aga.pipeline.Progress`.
        """
        # Half-written files of a process that was killed: nobody else writes here.
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        expected = image_count(self.prompts.scale, len(self.sources))
        write_json(self._work / PLAN, {"key": key, "images": expected}, self._scratch)

        found = self._find_subjects(progress)
        usable = [each for each in found if each.usable]
        candidates = self._fill_pool(expected, usable, progress)
        job = self._job(usable, [each for each in candidates if each.accepted])
        paste_all(job, lambda done, total: progress("composites", done, total))
        verdicts = self._judge(job)

        maker = self.tools.maker.identity
        self._write("sources.parquet", lambda file: write_sources(file, found, self.sources, self.classes))
        self._write("backgrounds.parquet", lambda file: write_backgrounds(file, candidates, maker))
        accepted = self._write_images(job, verdicts)
        self._write_pieces()
        gates = _counts(
            (verdict for each in (*found, *candidates) for verdict in each.verdicts),
            (verdict for shard in verdicts for verdict in shard if verdict is not None),
        )
        about = {
            "format": FORMAT,
            "key": key,
            "images": accepted,
            "sources": len(found),
            "usable": len(usable),
            "skipped": {"no subject": sum(each.box is None for each in found)},
            "backgrounds": len(job.backgrounds),
            "gates": gates,
            **content,
            "identities": self.tools.identities(self.config),
        }
        write_json(self.folder / ABOUT, about, self._scratch)
        shutil.rmtree(self._work, ignore_errors=True)

    @property
    def _work(self) -> Path:
        return self.folder / WORK

    @property
    def _scratch(self) -> Path:
        return self._work / "scratch"

    def _find_subjects(self, progress: Progress) -> list[Subject]:
        finder = SubjectFinder(
            self.sources,
            self.names,
            self.tools.detector,
            self.tools.segmenter,
            self.config,
            self.root,
            self.image_size,
            self.fit,
        )
        found = finder.find(self._work, self._scratch, lambda done, total: progress("masks", done, total))
        if not any(each.usable for each in found):
            without = sum(each.box is None for each in found)
            raise AugurError(
                f"none of the {len(found)} training images can be used: in {without} the detector saw no subject, and "
                f"the gates refused the others ({_refusals(found)}). Name the subject otherwise (the proposal's "
                "subject, aga.subjects), choose another detector or segmenter, or loosen aga.gates."
            )
        return found

    def _fill_pool(self, images: int, usable: Sequence[Subject], progress: Progress) -> list[Background]:
        subjects = list(dict.fromkeys(each.name for each in usable))
        pool = Pool(
            self.prompts,
            words_to_avoid(self.prompts, self.names, self.classes),
            subjects,
            self.tools.captioner,
            self.tools.maker,
            self.tools.detector if redetects(self.config) else None,
            self.config.gates,
            self.root,
            background_size(self.config, self.image_size),
            self.seed,
        )
        wanted = pool_size(self.config.pool, len(self.sources), images)
        candidates = pool.fill(wanted, self._work, self._scratch, progress)
        if not any(each.accepted for each in candidates):
            raise AugurError(
                f"none of {candidate_limit(wanted)} backgrounds passed the gates ({_refusals(candidates)}): change "
                "the proposal's sets, or loosen aga.gates"
            )
        return candidates

    def _job(self, usable: Sequence[Subject], backgrounds: Sequence[Background]) -> Job:
        return Job(
            root=self.root,
            folder=self.folder,
            work=self._work,
            scratch=self._scratch,
            sources=self.sources,
            subjects=usable,
            backgrounds=backgrounds,
            plan=Plan(
                image_count(self.prompts.scale, len(self.sources)), len(usable), len(backgrounds), self.seed
            ),
            prompts=self.prompts,
            compose=self.config.compose,
            fit=self.fit,
            image_size=self.image_size,
            seed=self.seed,
            folders=class_folders(self.classes),
            needed=self.needed,
        )

    def _judge(self, job: Job) -> list[list[Verdict | None]]:
        """What the classifier says about each composite, shard by shard; None where there is no classifier."""
        classifier = self.tools.classifier
        verdicts: list[list[Verdict | None]] = []
        for shard in range(job.shards):
            copies = job.copies(shard)
            if classifier is None:
                verdicts.append([None] * len(copies))
                continue
            file = self._work / f"judged-{shard:05d}.json"
            record = read_json(file)
            if record is None:
                images = np.stack([job.rows.read(copy.number) for copy in copies])
                labels = [self.sources.label(job.subjects[copy.place].row) for copy in copies]
                said = classifier.judge(images, labels)
                write_json(file, {"verdicts": [vars(each) for each in said]}, self._scratch)
            else:
                said = [Verdict(**each) for each in record["verdicts"]]
            verdicts.append(list(said))
        return verdicts

    def _write_images(self, job: Job, verdicts: Sequence[Sequence[Verdict | None]]) -> int:
        """Write what training reads and the provenance; the number of accepted images."""
        rows: list[int] = []
        sources: list[int] = []

        def write(file: Path) -> None:
            with ImageTable(file, job, self.classes, self.tools.maker.identity) as table:
                for shard, said in enumerate(verdicts):
                    composites = read_record(job.record(shard))
                    table.add(composites, said)
                    for made, verdict in zip(composites, said, strict=True):
                        if verdict is None or verdict.passed:
                            rows.append(made["number"])
                            sources.append(job.subjects[made["place"]].row)
                        else:
                            (self.folder / made["file"]).unlink(missing_ok=True)

        self._write("provenance.parquet", write)
        if len(rows) == len(job.plan):
            # Not moved: should this process be killed before set.json is written, the next one needs it here.
            self._write("pixels.npy", lambda file: _link_or_copy(job.rows.file, file))
        else:
            self._write("pixels.npy", lambda file: _copy_rows(job, rows, file))
        labels = [self.sources.label(row) for row in sources]
        for name, values in (("labels.npy", labels), ("sources.npy", sources)):
            encoded = io.BytesIO()
            np.save(encoded, np.asarray(values, dtype=np.int64))
            write_whole(self.folder / name, encoded.getvalue(), self._scratch)
        return len(rows)

    def _write_pieces(self) -> None:
        records = sorted(self._work.glob("*.json"))
        pieces = {piece for file in records for piece in (read_json(file) or {}).get("pieces", ())}
        write_json(self.folder / PIECES, {"pieces": sorted(pieces)}, self._scratch)

    def _write(self, name: str, write: Callable[[Path], None]) -> None:
        """Have a file written elsewhere, and put it into its place when it is whole."""
        with written_whole(self.folder / name, self._scratch) as temporary:
            write(temporary)


def class_folders(classes: Sequence[str]) -> list[str]:
    """A folder's name for each class: its own where every system allows it, and no two alike."""
    names = [re.sub(r"[^\w .+-]+", "-", name).strip(" .-")[:100] for name in classes]
    if all(names) and len({name.casefold() for name in names}) == len(names):
        return names
    return [f"{label}-{name}".rstrip("-") for label, name in enumerate(names)]


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # A file system without links.
        shutil.copyfile(source, target)


def _copy_rows(job: Job, rows: Sequence[int], target: Path) -> None:
    with target.open("wb") as opened:
        np.lib.format.write_array_header_1_0(
            opened, {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *job.rows.shape)}
        )
        for row in rows:
            opened.write(job.rows.read(row).tobytes())


def _counts(*groups: Iterable[Verdict]) -> dict[str, dict[str, int]]:
    gates: dict[str, dict[str, int]] = {}
    for verdicts in groups:
        for verdict in verdicts:
            counts = gates.setdefault(verdict.gate, {"passed": 0, "refused": 0})
            counts["passed" if verdict.passed else "refused"] += 1
    return gates


def _refusals(judged: Sequence[Subject] | Sequence[Background]) -> str:
    gates = Counter(verdict.gate for each in judged for verdict in each.verdicts if not verdict.passed)
    return ", ".join(f"{gate} {count}" for gate, count in gates.most_common()) or "none"
