"""A set of whole images edited by image-to-image (ALIA) while it is made: captions, edits and the judges.

Sources and captions meet as sources and backgrounds do in a set of composites (`set_plan.py`), so both kinds of sets
have the same number of images, with the same sources as often. An edit that is blank is refused, as a background is.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tools.aga.captions.combinations import combinations
from tools.aga.composites.placement import Placement
from tools.aga.gates.gates import background_blank, caption_words
from tools.aga.making.background_pool import Background
from tools.aga.making.chain import EditingTools, StageProgress
from tools.aga.making.finished_set import finish_set
from tools.aga.making.judging import judged
from tools.aga.making.pasting import PastingJob, write_image
from tools.aga.making.request import Request
from tools.aga.making.set_plan import PlannedImage, SetPlan, candidate_limit
from tools.aga.making.source_images import fitted
from tools.aga.making.subjects import Subject
from tools.aga.making.work_folder import SHARD, WorkFolder, from_record, to_record
from tools.aga.store.disk_space import disk_errors_explained
from tools.aga.store.pieces import PLAN, key_of
from tools.aga.types import Caption
from tools.errors import AugurError
from tools.files import write_json


@dataclass(frozen=True)
class EditedSetMaker:
    """Makes one set, or what is missing of it. Only under the set's lock."""

    request: Request
    tools: EditingTools
    work: WorkFolder
    needed: int
    """Bytes of the set, at most."""

    def run(self, key: str, progress: StageProgress) -> None:
        """Make all that is missing; afterwards the folder holds a finished set.

        Raises:
            AugurError: every caption was refused, or the disk is full.
        """
        request = self.request
        self.work.prepare()
        write_json(self.work.path / PLAN, {"key": key, "images": request.images}, self.work.scratch)
        sources = [
            Subject(row, request.sources.digest(row), self._name(row), "", None, 1.0, (), whole=True)
            for row in range(len(request.sources))
        ]
        candidates = self._captions(progress)
        captions = [each for each in candidates if each.accepted]
        labels = [request.sources.label(row) for row in range(len(sources))]
        plan = SetPlan(request.images, labels, len(captions), request.seed)
        job = PastingJob(request, self.work, sources, captions, plan, self.needed)
        self._edit_all(job, lambda done: progress("edits", done, len(plan)))
        finish_set(key, self.tools, sources, candidates, job, judged(job, self.tools))
        self.work.remove()

    def _name(self, row: int) -> str:
        return self.request.subjects[self.request.sources.label(row)]

    def _captions(self, progress: StageProgress) -> list[Background]:
        """Candidates up to the one that gives as many accepted captions as a pool of backgrounds would have."""
        request = self.request
        wanted, limit = request.backgrounds, candidate_limit(request.backgrounds)
        prompts = request.prompts
        drawn = combinations(prompts.instructions, prompts.settings, prompts.times, limit, request.seed)
        found: list[Background] = []
        accepted = 0
        while accepted < wanted and len(found) < limit:
            part = drawn[len(found) : len(found) + min(SHARD, wanted - accepted)]
            start = len(found)
            record = self.work.recorded(
                "captions", start, lambda part=part, start=start: self._record(part, start)
            )
            for each in record["captions"]:
                made = Background(**{**from_record(each), "caption": Caption(**each["caption"])})
                accepted += made.accepted
                found.append(made)
            progress("captions", accepted, wanted)
        if not accepted:
            raise AugurError(
                f"none of {len(found)} captions passed the gates ({found[0].gates[0].reason}): change the proposal's "
                "sets, or the words to avoid"
            )
        return found

    def _record(self, drawn: list[tuple[str, str, str]], start: int) -> dict[str, Any]:
        avoid = self.request.forbidden_words
        new = list(dict.fromkeys(drawn))
        captions = dict(zip(new, self.tools.captioner.caption(new, avoid), strict=True))
        made = [
            Background(start + number, captions[each], 0, "", (caption_words(captions[each], avoid),))
            for number, each in enumerate(drawn)
        ]
        return {"captions": [to_record(each) for each in made]}

    def _edit_all(self, job: PastingJob, progress: Callable[[int], None]) -> None:
        job.rows.create()
        done = 0
        for shard in range(job.shards):
            if not job.work.is_done("composites", shard):
                with disk_errors_explained(job.work.set_folder, job.needed):
                    made = self._edited(job, job.images(shard))
                    job.rows.to_disk()
                    write_json(job.record(shard), {"composites": made}, job.work.scratch)
            done += len(job.images(shard))
            progress(done)

    def _edited(self, job: PastingJob, images: list[PlannedImage]) -> list[dict[str, Any]]:
        request = self.request
        captions = [job.backgrounds[image.background].caption.text for image in images]
        pictures = self.tools.maker.edit(
            [self._source(job.subjects[image.place].row) for image in images],
            [self._prompt(job, image, caption) for image, caption in zip(images, captions, strict=True)],
            [
                _seed(request.seed, job.subjects[image.place].digest, caption, image.copy)
                for image, caption in zip(images, captions, strict=True)
            ],
        )
        records = []
        for image, picture in zip(images, pictures, strict=True):
            if request.config.compose.size == "training":
                picture = fitted(picture, request.image_size, request.fit)
            verdict = background_blank(picture, request.config.gates, "the edited image")
            records.append({**write_image(job, image, picture, Placement()), "verdicts": [asdict(verdict)]})
        return records

    def _source(self, row: int) -> np.ndarray:
        """The image as it is given to the model: square as for training, or in its own proportions."""
        request = self.request
        pixels = request.sources[row].pixels
        if request.config.compose.size == "training":
            pixels = fitted(pixels, max(request.image_size, min(pixels.shape[:2])), request.fit)
        return pixels

    def _prompt(self, job: PastingJob, image: PlannedImage, caption: str) -> str:
        parts = {
            "class": readable(self.request.classes[job.label(image)]),
            "subject": job.subjects[image.place].name,
            "caption": caption,
        }
        return self.request.config.edit.prompt.format(**parts)


def readable(name: str) -> str:
    """The name of a class as a prompt has it: '001.Black_footed_Albatross' is 'Black footed Albatross'."""
    words = re.sub(r"[_\s]+", " ", re.sub(r"^\d+\s*[._-]+", "", name)).strip()
    return words or name


def _seed(seed: int, source: str, caption: str, copy: int) -> int:
    """Of one edit, 0..2^31 - 1; follows from what is edited and how, not from its place in the set."""
    return int(key_of(seed=seed, source=source, caption=caption, copy=copy)[:8], 16) >> 1
