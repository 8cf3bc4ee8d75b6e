"""A set while it is made: the three steps and the judge, one after the other."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tools.aga.making.background_pool import Background, BackgroundPool
from tools.aga.making.chain import StageProgress, Tools
from tools.aga.making.finished_set import finish_set
from tools.aga.making.judging import judged
from tools.aga.making.pasting import PastingJob, paste_all
from tools.aga.making.request import Request
from tools.aga.making.set_plan import SetPlan, candidate_limit
from tools.aga.making.subjects import Subject, SubjectFinder
from tools.aga.making.work_folder import WorkFolder
from tools.aga.store.pieces import PLAN
from tools.errors import AugurError
from tools.files import write_json


@dataclass(frozen=True)
class SetMaker:
    """Makes one set, or what is missing of it. Only under the set's lock."""

    request: Request
    tools: Tools
    work: WorkFolder
    needed: int
    """Bytes of the set, at most."""

    def run(self, key: str, progress: StageProgress) -> None:
        """Make all that is missing; afterwards the folder holds a finished set.

        Raises:
            AugurError: no source has a usable subject, no background passed the gates, or the disk is full.
        """
        self.work.prepare()
        images = self.request.images
        write_json(self.work.path / PLAN, {"key": key, "images": images}, self.work.scratch)

        found = self._find_subjects(progress)
        usable = [each for each in found if each.usable]
        candidates = self._fill_pool(usable, progress)
        backgrounds = [each for each in candidates if each.accepted]
        labels = [self.request.sources.label(each.row) for each in usable]
        shares = self.request.class_counts if self.request.recognised else None
        plan = SetPlan(images, labels, len(backgrounds), self.request.seed, shares)
        job = PastingJob(self.request, self.work, usable, backgrounds, plan, self.needed)
        paste_all(job, lambda done, total: progress("composites", done, total), self.tools.paster)
        finish_set(key, self.tools, found, candidates, job, judged(job, self.tools))
        self.work.remove()

    def _find_subjects(self, progress: StageProgress) -> list[Subject]:
        finder = SubjectFinder(self.request, self.tools, self.work)
        found = finder.find(lambda done, total: progress("masks", done, total))
        if not any(each.usable for each in found):
            without = sum(each.box is None for each in found)
            part = " that were looked at" if self.request.wanted is not None else ""
            more = " A larger scale looks at more of them." if part else ""
            raise AugurError(
                f"none of the {len(found)} training images{part} can be used: no subject was found in {without}, and "
                f"the gates refused the others ({_refusals(found)}). Name the subject differently (the proposal's "
                f"subject, aga.subjects), choose another detector or segmenter, or loosen aga.gates.{more}"
            )
        return found

    def _fill_pool(self, usable: Sequence[Subject], progress: StageProgress) -> list[Background]:
        subjects = list(dict.fromkeys(each.name for each in usable))
        candidates = BackgroundPool(self.request, self.tools, subjects, self.work, progress).fill()
        if not any(each.accepted for each in candidates):
            raise AugurError(
                f"none of {candidate_limit(self.request.backgrounds)} backgrounds passed the gates "
                f"({_refusals(candidates)}): change the proposal's sets, or loosen aga.gates"
            )
        return candidates


def _refusals(items: Sequence[Subject] | Sequence[Background]) -> str:
    gates = Counter(result.gate for item in items for result in item.gates if not result.passed)
    return ", ".join(f"{gate} {count}" for gate, count in gates.most_common()) or "none"
