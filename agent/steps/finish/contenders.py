"""What competes for the recommendation, with its validation results: scores, log losses, and results by image."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, Phase
from agent.steps.finish.judging import scores_of
from agent.steps.length.plan import steps_of
from agent.steps.trials import trial_spec
from evaluators.contenders import Answers
from evaluators.influence import correct_shares, image_losses, image_values
from evaluators.learning import agreement, constant_losses, has_learnt, unlearnt
from evaluators.length import scaled_losses, times
from evaluators.recommendation import Contender, ImageScores, Kind
from tools.files import DamagedFile
from tools.policy.named import DEFAULT
from tools.training.config import TrialSpec
from tools.training.types import Predictions
from tools.training.views import validation_view


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


Phases = Callable[[Candidate], Sequence[Phase]]
"""Where the trials of a candidate are that count."""


def chosen_by(context: Context, candidate: Candidate, phases: Phases = phases_of) -> dict[int, float]:
    """Seed → score on validation, over the trials that it may be chosen by, or those of other phases."""
    found: dict[int, float] = {}
    for phase in phases(candidate):
        found |= scores_of(context, candidate.name, phase)
    return dict(sorted(found.items()))


def contenders_of(
    context: Context,
    candidates: Sequence[Candidate],
    calibrate: bool = True,
    phases: Phases = phases_of,
) -> list[Contender]:
    """Each candidate with what is known of it on validation; those that finished no trial are left out.

    Args:
        context: of the study.
        candidates: in any phase.
        calibrate: with their losses after temperature scaling, which take a while where there are many classes.
        phases: whose trials count; those of the search and the choice, unless told otherwise.
    """
    groups: dict[str, int] = {}
    found = []
    for candidate in candidates:
        scores = chosen_by(context, candidate, phases)
        if scores:
            losses = _losses(context, candidate, phases)
            kept = _images(context, candidate, scores, groups, calibrate)
            found.append(Contender(candidate.name, kind_of(candidate), scores, losses, *kept))
    if all(each.images.keys() == each.scores.keys() for each in found):
        return found
    # Results of earlier versions have none: what is known by image of some trials only would weigh these more.
    return [Contender(each.name, each.kind, each.scores, each.losses) for each in found]


def nothing_learnt_by(context: Context, contenders: Sequence[Contender]) -> str:
    """That none of them has learnt anything, in a sentence without its full stop; empty where one has."""
    epochs = context.recipe.epochs
    return unlearnt(contenders, f"{times(epochs)} ({steps_of(context, epochs):,} steps)")


def warn_of_nothing_learnt(context: Context, candidates: Sequence[Candidate]) -> None:
    """Say where no candidate so far has learnt anything, unless finding the length has said it."""
    lengths = context.lengths
    if context.config.training.epochs == "auto" and lengths is not None and not lengths.found:
        return
    if any(has_learnt(each) for one in candidates for each in contenders_of(context, [one], calibrate=False)):
        return
    if said := nothing_learnt_by(context, contenders_of(context, candidates)):
        context.terminal.warn(f"{said[0].upper()}{said[1:]}.")


def _losses(context: Context, candidate: Candidate, phases: Phases) -> dict[int, float]:
    return {
        seed: result.scores.loss
        for phase in phases(candidate)
        for seed, result in context.tracking.trial_results(candidate.name, phase).items()
        if result.scores is not None and np.isfinite(result.scores.loss)
    }


def _images(
    context: Context,
    candidate: Candidate,
    scores: Mapping[int, float],
    groups: dict[str, int],
    calibrate: bool,
) -> tuple[dict[int, ImageScores], dict[int, np.ndarray], dict[int, Answers]]:
    """Seed → results by validation image, its log losses after temperature scaling, and whether it looks at images.

    Where the trial's predictions were kept; `groups` numbers the groups.
    """
    found, calibrated, answers = {}, {}, {}
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
            if calibrate:
                calibrated[seed] = scaled_losses(kept.probabilities, kept.labels)
            constant = constant_losses(kept.labels, kept.probabilities.shape[1])
            answers[seed] = Answers(agreement(kept.probabilities, kept.labels), float(constant.mean()))
    return found, calibrated, answers


def _values(context: Context, kept: Predictions) -> np.ndarray | None:
    """What each image adds to the study's metric; None for the accuracy, and where the metric is not defined."""
    metric = context.config.search.metric
    if metric == "accuracy":
        return None
    values = image_values(kept.probabilities, kept.labels, metric)
    return values if np.isfinite(values).all() else None


def _ids(spec: TrialSpec, groups: dict[str, int]) -> np.ndarray:
    """A number for each validation image, the same in every fold; images of one group (a patient) share theirs."""
    return np.array([groups.setdefault(name, len(groups)) for name in validation_view(spec).groups])
