"""The last step: what the judges say of each finished image, shard by shard."""

from typing import Any

import numpy as np

from tools.aga.gates.gates import GateResult
from tools.aga.making.chain import EditingTools, Tools
from tools.aga.making.pasting import PastingJob
from tools.aga.making.provenance import GateResults


def judged(job: PastingJob, tools: Tools | EditingTools) -> list[GateResults]:
    """For each shard of the job, whose images are made, the results of each image; resumes from what is recorded.

    First those that were recorded with an image when it was made, then CLIP's and the classifier's, where they judge.
    """
    found: list[GateResults] = []
    for shard in range(job.shards):
        made = [[GateResult(**each) for each in one.get("verdicts", ())] for one in job.made(shard)]
        if tools.semantic or tools.classifier:
            record = job.work.recorded("results", shard, lambda shard=shard: _judge(job, shard, tools))
            for results, more in zip(made, record["results"], strict=True):
                results += [GateResult(**each) for each in more]
        found.append(made)
    return found


def _judge(job: PastingJob, shard: int, tools: Tools | EditingTools) -> dict[str, Any]:
    images = job.images(shard)
    pixels = np.stack([job.rows.read(image.number) for image in images])
    by_judge = []
    if tools.semantic:
        by_judge.append(tools.semantic.judge_as(pixels, [job.subjects[each.place].name for each in images]))
    if tools.classifier:
        by_judge.append(tools.classifier.judge(pixels, [job.label(image) for image in images]))
    return {"results": [[vars(each) for each in results] for results in zip(*by_judge, strict=True)]}
