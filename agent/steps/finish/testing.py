"""The sealed test set, opened once, and the data sets that shift it: only this code of the loop reads test images.

What is tested was trained under fresh seeds, by which nothing was chosen: a trial that helped a policy to be chosen was
lucky more often than not, and would carry its luck into the test.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from agent.context import Context
from agent.memory.candidate import Candidate
from agent.memory.openings import Openings, describe_openings
from agent.screen.exits import runs_dir_flag
from agent.shifts import Shift
from agent.steps.finish.choosing import Choice, Validation
from agent.steps.finish.judging import judge_all
from agent.steps.trials import evaluate, is_testable, train_candidates, trial_spec
from evaluators.report.comparison import TestScores
from tools.datasets.cache.read import CachedDataset
from tools.datasets.cache.test_digest import digest_by_fingerprint, test_digest
from tools.training.config import TrialSpec

FIRST = 3
"""Of `Choice.tested`: what the first sentence of the result rests on."""


@dataclass(frozen=True)
class Fresh:
    """What was trained under fresh seeds, to be tested."""

    candidates: Sequence[Candidate]
    """No augmentation first; then the recommended, its rival, a proposal, the other baselines, and parts; whether or
    not a trial finished."""
    validation: Validation
    """Of these, under fresh seeds only."""
    notes: Sequence[str]
    """Which trials are missing, and why."""

    @property
    def tested(self) -> list[Candidate]:
        """Those with a finished trial; none where no augmentation has none, since nothing could be compared."""
        first, *_ = self.candidates
        return [
            each for each in self.candidates if self.validation[each.name] and self.validation[first.name]
        ]


def train_for_test(context: Context, choice: Choice) -> Fresh:
    """Train what is to be tested under the fresh seeds, and judge it on validation.

    Where a budget bounds the study, what the first sentence rests on comes first, one seed after the other: no
    augmentation, the recommended and the best baseline; then the rest.
    """
    every = choice.tested
    seeds, cut = context.config.search.fresh_seeds, None
    if context.config.budget.of_training.is_limited:
        parts = list(choice.parts)
        rest = [each for each in every[FIRST:] if each not in parts]
        rounds = [(group, [seed]) for group in (every[:FIRST], rest, parts) if group for seed in seeds]
    else:
        rounds = [(every, seeds)]
    for group, some in rounds:
        # After a limit is reached, what other studies have trained still counts.
        title = "fresh seeds for the test"
        cut = train_candidates(context, group, some, "final", title, testable=True) or cut
    validation = judge_all(context, every, "final")
    fresh = Fresh(every, validation, list(missing_trials(context, every, cut)))
    return replace(fresh, notes=[*fresh.notes, _how_to_go_on(context)]) if cut and not fresh.tested else fresh


def _how_to_go_on(context: Context) -> str:
    return (
        "Nothing was tested, and nothing is lost: with a larger budget the study goes on from here "
        f"(agent resume {context.study}{runs_dir_flag(context.config.runs_dir)} and the flag of the budget)."
    )


def missing_trials(context: Context, candidates: Sequence[Candidate], cut: str | None) -> Iterable[str]:
    """A sentence on each candidate that lacks trials."""
    seeds = context.config.search.fresh_seeds
    for candidate in candidates:
        results = context.tracking.trial_results(candidate.name, "final")
        ended = [results[seed] for seed in seeds if seed in results]
        if len(ended) < len(seeds) and cut:
            yield f"{candidate.name} was trained under {len(ended)} of {len(seeds)} fresh seeds: {cut}."
        if failed := [result for result in ended if result.scores is None]:
            reasons = "; ".join(dict.fromkeys(f"{result.failure}: {result.reason}" for result in failed))
            yield f"{candidate.name} failed under {len(failed)} of {len(seeds)} fresh seeds ({reasons})."


def announce_opening(context: Context, data: CachedDataset) -> str:
    """Record that this study opens the test set of `data`; a sentence on the studies that did so before, or ''.

    Whoever reads test images calls this first. It is recorded before anything is read, and once for each study.
    """
    caches = context.config.runs_dir / "cache"
    earlier = Openings(context.config.runs_dir, context.tracking).open(
        test_digest(data.open_test()),
        data.fingerprint,
        lambda fingerprint: digest_by_fingerprint(caches, fingerprint),
    )
    sentence = describe_openings(earlier)
    if sentence:
        context.terminal.warn(f"{data.card.name}: {sentence}")
    return sentence


def open_test(context: Context, fresh: Fresh) -> dict[str, TestScores]:
    """Test scores of every candidate, under every fresh seed that it finished; logged with its trials."""
    context.tracking.log_study({}, tags={"test_opened": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
    specs = {each.name: _testable_specs(context, each, fresh.validation) for each in fresh.tested}
    wanted = [spec for group in specs.values() for spec in group]
    evaluated = evaluate(context, wanted, "test")
    by_key = {spec.key: predictions for spec, predictions in zip(wanted, evaluated, strict=True)}
    scores = {}
    for candidate in fresh.tested:
        predictions = {spec.seed: by_key[spec.key] for spec in specs[candidate.name]}
        scores[candidate.name] = TestScores.of(predictions, context.config.search.metric)
        runs = _log_scores(context, candidate, specs[candidate.name], scores[candidate.name], "")
        for seed, run in runs.items():
            context.tracking.log_json(run, asdict(predictions[seed].scores), "test_scores.json")
    return scores


def test_on(context: Context, shift: Shift, fresh: Fresh) -> dict[str, TestScores]:
    """Scores of every candidate on a shifted set, under every fresh seed that it finished; logged with its trials."""
    scores = {}
    for candidate in fresh.tested:
        specs = _testable_specs(context, candidate, fresh.validation)
        shifted = [spec.model_copy(update={"cache": shift.data.folder}) for spec in specs]
        predictions = evaluate(context, shifted, shift.predictions)
        scores[candidate.name] = TestScores.of(
            {spec.seed: each for spec, each in zip(specs, predictions, strict=True)},
            context.config.search.metric,
        )
        _log_scores(context, candidate, specs, scores[candidate.name], shift.metric)
    return scores


def _testable_specs(context: Context, candidate: Candidate, validation: Validation) -> list[TrialSpec]:
    specs = (trial_spec(context, candidate, seed) for seed in sorted(validation[candidate.name]))
    return [spec for spec in specs if is_testable(context, spec.key)]


def _log_scores(
    context: Context, candidate: Candidate, specs: Sequence[TrialSpec], scores: TestScores, suffix: str
) -> dict[int, str]:
    """Log scores with the candidate's trials and their means with the candidate; seed → MLflow run of its trial."""
    tracking = context.tracking
    parent = tracking.open_candidate(candidate, "final")
    runs = {}
    for spec in specs:
        run = runs[spec.seed] = tracking.open_trial(parent, candidate, "final", spec.key, spec.seed)
        tracking.log_test(run, scores.of_seed(spec.seed), suffix)
        tracking.close_run(run)
    if specs:
        tracking.log_test(parent, scores.means, suffix)
    tracking.close_run(parent)
    return runs
