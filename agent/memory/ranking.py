"""Which candidates of a search are better, by the least noisy measure of the study's metric.

The measure is that of the choice at the end (`evaluators/measure.py`): metric and log loss together, as far as the
study's own candidates show that the two go together, else the metric alone. Scores that are shown stay the metric.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from agent.memory.candidate import REFERENCE
from evaluators.contenders import Contender, Kind
from tools.policy.named import DEFAULT

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord
    from evaluators.evidence import Measure


def contender_of(record: "IterationRecord", seeds: Collection[int] | None = None) -> Contender:
    """The record as something that may be recommended, with what its trials came to; of `seeds` only, where given."""
    trials = {
        trial.seed: trial
        for trial in record.trials
        if trial.score is not None and (seeds is None or trial.seed in seeds)
    }
    scores = {seed: trial.score for seed, trial in trials.items() if trial.score is not None}
    losses = {seed: trial.loss for seed, trial in trials.items() if trial.loss is not None}
    return Contender(record.name, _kind(record), scores, losses)


def _kind(record: "IterationRecord") -> Kind:
    if record.name == REFERENCE:
        return "none"
    if record.number == 0:
        return "default" if record.name == DEFAULT else "baseline"
    return "backgrounds" if record.proposal.backgrounds else "policy"


def measured(records: Sequence["IterationRecord"]) -> dict[str, float]:
    """Candidate → its gain by the measure, as it was seen, in the metric: over the default, else over no augmentation.

    The higher, the better; nothing is taken off for luck, so that no two are equal because all are discounted. Where
    neither of the two finished a trial, the mean score; without a seed in common with it, a candidate is left out.
    """
    from evaluators.evidence import Evidence, mean  # imports NumPy

    finished = [contender_of(record) for record in records if record.scores]
    if not finished:
        return {}
    evidence = Evidence(finished)
    if evidence.anchor is None:
        return {each.name: mean(each.scores) for each in finished}
    return evidence.measured(evidence.anchor, finished)


def measure_of(records: Sequence["IterationRecord"]) -> "Measure":
    """What `measured` goes by."""
    from evaluators.evidence import Evidence  # imports NumPy

    finished = [contender_of(record) for record in records if record.scores]
    return Evidence(finished).measure if finished else "metric"


def best_iteration(records: Sequence["IterationRecord"]) -> "IterationRecord | None":
    """The best iteration by the measure, the earlier one where they tie; None where none has a score.

    What was stopped before its last seed is left out: that it led under one seed would be luck.

    Args:
        records: of the study so far; the measure is learnt from all of them, no augmentation and baselines included.
    """
    found = measured(records)
    judged = [
        record for record in records if record.number > 0 and record.mean is not None and not record.stopped
    ]
    ordered = sorted(judged, key=lambda record: record.number)
    known = [record for record in ordered if record.name in found]
    if not known:
        return max(ordered, key=lambda record: record.mean or 0.0, default=None)
    return max(known, key=lambda record: found[record.name])
