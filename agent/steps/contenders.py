"""What competes for the recommendation, with its validation results: scores, log losses, and results by image."""

from collections.abc import Mapping, Sequence

import numpy as np

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase
from agent.steps.judging import scores_of
from agent.steps.trials import trial_spec
from evaluators.influence import correct_shares, image_losses, image_values
from evaluators.length import scaled_losses
from evaluators.recommendation import Contender, ImageScores, Kind
from tools.files import DamagedFile
from tools.policy.named import DEFAULT
from tools.training.config import TrialSpec
from tools.training.types import Predictions
from tools.training.views import validation_ids, validation_view


def kind_of(candidate: Candidate) -> Kind:
    """How much a user has to take over."""
    if candidate.name == REFERENCE:
        return "none"
    if candidate.number == 0:
        return "default" if candidate.name == DEFAULT else "baseline"
    return "backgrounds" if candidate.proposal.backgrounds else "policy"


def phases_of(candidate: Candidate) -> tuple[Phase, ...]:
    """Where its trials are that it may be chosen by."""
    return ("search" if candidate.number else "reference", "choice")


def chosen_by(context: Context, candidate: Candidate) -> dict[int, float]:
    """Seed → score on validation, over the trials that it may be chosen by."""
    found: dict[int, float] = {}
    for phase in phases_of(candidate):
        found |= scores_of(context, candidate.name, phase)
    return dict(sorted(found.items()))


def contenders_of(context: Context, candidates: Sequence[Candidate]) -> list[Contender]:
    """Each candidate with what is known of it on validation; those that finished no trial are left out."""
    groups: dict[str, int] = {}
    found = []
    for candidate in candidates:
        scores = chosen_by(context, candidate)
        if scores:
            losses = _losses(context, candidate)
            images, calibrated = _images(context, candidate, scores, groups)
            found.append(Contender(candidate.name, kind_of(candidate), scores, losses, images, calibrated))
    if all(each.images.keys() == each.scores.keys() for each in found):
        return found
    # Results of earlier versions have none: what is known by image of some trials only would weigh these more.
    return [Contender(each.name, each.kind, each.scores, each.losses) for each in found]


def _losses(context: Context, candidate: Candidate) -> dict[int, float]:
    return {
        seed: result.scores.loss
        for phase in phases_of(candidate)
        for seed, result in context.tracking.trial_results(candidate.name, phase).items()
        if result.scores is not None and np.isfinite(result.scores.loss)
    }


def _images(
    context: Context, candidate: Candidate, scores: Mapping[int, float], groups: dict[str, int]
) -> tuple[dict[int, ImageScores], dict[int, np.ndarray]]:
    """Seed → results by validation image, and its log losses after temperature scaling.

    Where the trial's predictions were kept; `groups` numbers the groups.
    """
    found, calibrated = {}, {}
    for seed in scores:
        spec = trial_spec(context, candidate, seed)
        try:
            kept = context.store.predictions(spec.key, "validation")
        except DamagedFile as damage:
            context.terminal.warn(f"{damage}: the choice is made without it")
            kept = None
        if kept is not None:
            losses = image_losses(kept.probabilities, kept.labels)
            correct = correct_shares(kept.probabilities, kept.labels)
            found[seed] = ImageScores(_ids(spec, groups), losses, correct, _values(context, kept))
            calibrated[seed] = scaled_losses(kept.probabilities, kept.labels)
    return found, calibrated


def _values(context: Context, kept: Predictions) -> np.ndarray | None:
    """What each image adds to the study's metric; None for the accuracy, and where the metric is not defined."""
    metric = context.config.search.metric
    if metric == "accuracy":
        return None
    values = image_values(kept.probabilities, kept.labels, metric)
    return values if np.isfinite(values).all() else None


def _ids(spec: TrialSpec, groups: dict[str, int]) -> np.ndarray:
    """A number for each validation image; images of one group (a patient) share theirs."""
    names = validation_view(spec).groups
    if len(set(names)) == len(names):
        return validation_ids(spec)
    return np.array([groups.setdefault(name, len(groups)) for name in names])
