"""Trying lengths: which are trained, what each came to, and what that says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate, default_of
from agent.memory.length_file import Lengths, Tried
from agent.memory.proposal import Proposal
from agent.steps.length.plan import (
    LONGEST_STEPS,
    costs_at_first,
    costs_of,
    first_epochs,
    images_of,
    in_words,
    planned_trials,
    range_line,
    steps_of,
    too_tight,
    without_result,
)
from agent.steps.speed import measure_speed, settle_speed
from agent.steps.trials import results_of, samples_of, train_candidates, trial_spec
from evaluators.learning import agreement, constant_losses, nothing_learnt
from evaluators.length import (
    Curve,
    Groups,
    Point,
    is_done,
    reference_length,
    scaled_losses,
    sentence,
    study_length,
    times,
)
from evaluators.length_costs import LARGEST_SHARE, Costs, may_try, seeds_for
from tools.disk import disk_errors_explained
from tools.files import DamagedFile
from tools.policy.canonical import one_line
from tools.training.types import TrialResult
from tools.training.views import validation_view

DEFAULT = "default"


@dataclass
class Phase:
    """What is tried, and what it came to so far."""

    context: Context
    seeds: Sequence[int] = ()
    epochs: list[int] = field(default_factory=list)
    """Lengths that were tried, shortest first."""
    points: dict[str, list[Point]] = field(default_factory=lambda: {REFERENCE: [], DEFAULT: []})
    samples: int = 0
    note: str = ""
    warning: str = ""
    """What a user should know before more is trained; empty where there is nothing."""
    constant: dict[int, np.ndarray] = field(default_factory=dict)
    """Seed → loss of each validation image for who has learnt nothing."""

    def __post_init__(self) -> None:
        context = self.context
        self.images = images_of(context)
        self.seeds = self.seeds or context.seeds(
            seeds_for(planned_trials(context), context.config.search.seeds)
        )
        self.start = default_of(context.config.search, context.data.card.modality)

    def run(self) -> str | None:
        """Try lengths until the default gains nothing more, or the share is spent; why a limit cut it short."""
        first = first_epochs(self.context)
        self.measure(first)
        if why := self.too_small(first):
            self.note = why
            return None
        self.context.terminal.note(range_line(self.context, first, len(self.seeds)))
        epochs = first
        while True:
            if cut := self.train_at(epochs):
                self.note = cut
                return cut
            settle_speed(self.context, self.results())
            none, default = self.curves()
            if is_done(none, default):
                return None
            epochs *= 2
            if steps_of(self.context, epochs) > LONGEST_STEPS:
                self.note = f"{epochs} epochs would be more than {LONGEST_STEPS:,} steps"
                return None
            if not self.may_go_on(costs_of(self.context), epochs, self.settled(), self.samples):
                self.note = f"{epochs} epochs would cost more than {LARGEST_SHARE:.0%} of the study"
                return None

    def measure(self, first: int) -> None:
        """Turn a limit in time into images before anything is trained, and take as many seeds as these pay for."""
        context = self.context
        seed = context.config.search.seed
        measure_speed(context, trial_spec(context, self.candidate(DEFAULT, first), seed), first)
        self.seeds = context.seeds(
            seeds_for(costs_at_first(context).affordable(first), context.config.search.seeds)
        )

    def too_small(self, first: int) -> str:
        """Why the study, or what its limits allow, is too small for two lengths; empty where it is not."""
        costs, begun = costs_at_first(self.context), 2 * len(self.seeds) * first * self.images
        if self.may_go_on(costs, 2 * first, first, begun):
            return ""
        self.warning = too_tight(self.context, first)
        if self.warning:
            return "the limit in time is too tight"
        planned = planned_trials(self.context)
        of_what = f"a study of {planned} trainings"
        if costs.affordable(2 * first) < planned:
            of_what = f"what the limit in time allows, {costs.allowance:,.0f} training images,"
        return f"{of_what} is too small: two lengths of two policies would cost more than {LARGEST_SHARE:.0%} of it"

    def train_at(self, epochs: int) -> str | None:
        """Train the arms that may still gain at a length, and keep what they came to; why a limit cut it short."""
        with disk_errors_explained(self.context.store.root):
            return self._train_at(epochs)

    def _train_at(self, epochs: int) -> str | None:
        context, arms = self.context, self.active()
        jobs = {arm: self.candidate(arm, epochs) for arm in arms}
        for candidate in jobs.values():
            self.forget_unreadable(candidate)
        cut = train_candidates(context, list(jobs.values()), self.seeds, "length", f"length: {times(epochs)}")
        for arm, candidate in jobs.items():
            point = self.point(candidate)
            if point is not None and not cut:
                self.points[arm].append(point)
        if not cut:
            self.epochs.append(epochs)
        return cut

    def active(self) -> list[str]:
        """The default, and no augmentation until it gains nothing more."""
        arms: list[str] = [REFERENCE, DEFAULT]
        return [arm for arm in arms if arm == DEFAULT or not self.curve(arm).ended]

    def candidate(self, arm: str, epochs: int) -> Candidate:
        """An arm at a length, under a name of its own."""
        operations = [] if arm == REFERENCE else self.start.policy.operations
        proposal = Proposal(
            hypothesis=f"How long to train: {times(epochs)}.", expected_gain=0.0, policy=operations
        )
        return Candidate(f"{arm}, {times(epochs)}", 0, "length", proposal, epochs)

    def forget_unreadable(self, candidate: Candidate) -> None:
        """A trial without predictions (of an earlier version), or with damaged ones, is trained again."""
        for seed in self.seeds:
            key, why = trial_spec(self.context, candidate, seed).key, "it was trained by an earlier version"
            try:
                found = self.context.store.result(key)
                if found is None or found.scores is None:
                    continue
                if self.context.store.predictions(key, "validation") is not None:
                    continue
            except DamagedFile as damage:
                why = str(damage)
            self.context.terminal.warn(
                f"{candidate.name}, seed {seed}: no predictions ({why}); it is trained again"
            )
            self.context.store.forget(key)

    def point(self, candidate: Candidate) -> Point | None:
        """What a candidate came to; None where no trial of it finished. Ends its run in MLflow."""
        context, metric = self.context, self.context.config.search.metric
        scores, losses, agreements = {}, {}, {}
        for seed in self.seeds:
            spec = trial_spec(context, candidate, seed)
            result = context.store.result(spec.key)
            if result is None:
                continue
            self.samples += samples_of(context, spec, result)
            kept = context.store.predictions(spec.key, "validation")
            value = None if result.scores is None else result.scores.of(metric)
            if kept is not None and value is not None:
                scores[seed], losses[seed] = value, scaled_losses(kept.probabilities, kept.labels)
                agreements[seed] = agreement(kept.probabilities, kept.labels)
                self.constant[seed] = constant_losses(kept.labels, kept.probabilities.shape[1])
            context.store.drop_weights(spec.key)
        run = context.tracking.open_candidate(candidate, "length")
        context.tracking.end_candidate(run, scores, None, None, None)
        if not scores:
            return None
        assert candidate.epochs is not None
        loss = sum(float(each.mean()) for each in losses.values()) / len(losses)
        return Point(candidate.epochs, sum(scores.values()) / len(scores), loss, losses, agreements)

    def results(self) -> list[tuple[int, TrialResult]]:
        """(training images, result) of every trial so far."""
        tried = [self.candidate(arm, each.epochs) for arm, points in self.points.items() for each in points]
        return results_of(self.context, tried, self.seeds)

    def curve(self, arm: str) -> Curve:
        """An arm at the lengths so far."""
        constant = None
        if self.constant:
            mean = float(np.mean([each.mean() for each in self.constant.values()]))
            constant = Point(0, 0.0, mean, self.constant)
        shared = (self.context.fold_count or 1) == 1
        return Curve(arm, tuple(self.points[arm]), self.groups, shared, constant)

    @cached_property
    def groups(self) -> Groups | None:
        """Seed → groups of the images that it validates on; None where each is its own, and in one fold only.

        With fewer folds than seeds, some validate on the same images, whose names then say so.
        """
        specs = [trial_spec(self.context, self.candidate(REFERENCE, 1), seed) for seed in self.seeds]
        found = {spec.seed: validation_view(spec).groups for spec in specs}
        again = 1 < (self.context.fold_count or 1) < len(self.seeds)
        return found if again or any(len(set(each)) < len(each) for each in found.values()) else None

    def curves(self) -> tuple[Curve, Curve]:
        """No augmentation, and the default policy."""
        return self.curve(REFERENCE), self.curve(DEFAULT)

    def settled(self) -> int:
        """The study's length if no longer one is tried, in epochs."""
        none, default = self.curves()
        if default.points and not self.nothing_learnt:
            return study_length(none, default)
        return max(without_result(self.context), *self.epochs)

    @property
    def nothing_learnt(self) -> bool:
        """Whether neither arm has learnt anything at any length."""
        none, default = self.curves()
        return bool(default.points) and not (default.learnt or none.learnt)

    def may_go_on(self, costs: Costs, epochs: int, settled: int, spent: int) -> bool:
        """Whether the next length is within the share."""
        reused = len(self.seeds) * self.images * (settled + reference_length(self.curve(REFERENCE), settled))
        if self.nothing_learnt:
            reused = 0
        trials = len(self.active()) * len(self.seeds)
        limit = self.context.config.budget.trials
        if limit is not None:
            begun = 2 * len(self.seeds) * max(1, len(self.epochs))
            if begun + trials > LARGEST_SHARE * limit:
                return False
        return may_try(costs, spent, epochs, trials, settled, reused)

    def outcome(self, cut: str | None) -> Lengths:
        """How long the study trains, by what was tried."""
        none, default = self.curves()
        if not default.points:
            epochs = without_result(self.context)
            why = self.note or "no training with the default policy finished"
            text = f"The length of training was not found ({why}): the study trains {in_words(self.context, epochs)}."
            return self.recorded(epochs, epochs, text, found=False)
        if self.nothing_learnt:
            epochs = self.settled()
            last, constant = default.points[-1], default.constant
            trained = f"up to {times(last.epochs)} ({steps_of(self.context, last.epochs):,} steps)"
            why = nothing_learnt(trained, last.loss, None if constant is None else constant.loss)
            text = f"The length of training was not found: {why}. The study trains {in_words(self.context, epochs)}."
            self.warning = f"{why[0].upper()}{why[1:]}."
            return self.recorded(epochs, epochs, text, found=False)
        epochs = study_length(none, default)
        reference = reference_length(none, epochs)
        if not none.points:
            text = f"The study trains {times(epochs)}; no training without augmentation finished."
        else:
            text = sentence(none, default, epochs, reference)
        return self.recorded(epochs, reference, text, found=True)

    def recorded(self, epochs: int, reference: int, text: str, found: bool) -> Lengths:
        """What is written down."""
        return Lengths(
            epochs=epochs,
            reference=reference,
            found=found,
            sentence=text,
            note=self.note,
            default=one_line(self.start.policy),
            seeds=len(self.seeds),
            tried=tuple(
                Tried(arm, point.epochs, steps_of(self.context, point.epochs), point.score, point.loss)
                for arm, points in self.points.items()
                for point in points
            ),
            samples=self.samples,
            trials=planned_trials(self.context),
            planned=round(costs_of(self.context).study(epochs)),
            limited=costs_of(self.context).affordable(epochs) < planned_trials(self.context),
        )
