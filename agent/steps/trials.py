"""Training candidates: what is already trained is reused, the rest goes to the workers, within the budget.

A stored file that is damaged is reported and made again. What a disk refuses ends the session, which can be resumed: no
candidate is judged by it.
"""

import time
from collections.abc import Callable, Sequence

from agent.context import Context
from agent.memory import Candidate, Phase
from agent.memory.candidate import REFERENCE
from agent.memory.ledger import BudgetSpent, exceeded
from agent.memory.proposal import SCHEMA_VERSION
from agent.steps.metric import with_metric
from agent.steps.stages import after_its_stages, drop_states
from tools.disk import disk_errors_explained
from tools.files import DamagedFile
from tools.training.config import Fold, Recipe, TrialSpec, fold_of_seed
from tools.training.model_source import check_unchanged
from tools.training.recipes import trunk_epochs
from tools.training.synthetic import epoch_images
from tools.training.trial_store import trial_key
from tools.training.types import Predictions, TrialEvent, TrialResult
from tools.training.views import training_size


def recipe_of(context: Context, candidate: Candidate) -> Recipe:
    """How a candidate is trained: for the study's length or as many times as long as its proposal asks for.

    No augmentation has its own best length.
    """
    epochs, times = candidate.epochs, candidate.proposal.length
    if epochs is None and times != 1:
        epochs = times * context.recipe.epochs
    if epochs is None and context.lengths is not None and candidate.name == REFERENCE:
        epochs = context.lengths.reference
    return context.recipe if epochs is None else context.recipe.model_copy(update={"epochs": epochs})


def trial_spec(context: Context, candidate: Candidate, seed: int, fold: Fold | None = None) -> TrialSpec:
    """One trial of a candidate, with its key; it is validated on the seed's fold, unless `fold` says otherwise.

    Raises:
        AugurError: its synthetic images cannot be made.
        ModelChanged: the code of the model has changed during this session.
    """
    config, data = context.config, context.data
    policy, synthetic = candidate.policy_json, context.synthesis.of(candidate.proposal)
    fold = fold or fold_of_seed(seed, context.fold_count)
    recipe = recipe_of(context, candidate)
    check_unchanged(config.model.name, context.model_source)
    key = trial_key(policy, data.fingerprint, config.model, recipe, seed, SCHEMA_VERSION, synthetic, fold)
    spec = TrialSpec(
        key=key,
        policy=policy,
        cache=data.folder,
        image_size=data.image_size,
        classes=len(data.card.classes),
        ordinal=data.card.ordinal,
        several_labels=data.card.several_labels,
        model=config.model,
        recipe=recipe,
        seed=seed,
        directory=context.store.directory(key),
        loader_workers=config.training.loader_workers,
        synthetic=synthetic,
        fold=fold,
        model_source=context.model_source,
    )
    return after_its_stages(context, candidate, spec)


SpecOf = Callable[[Context, Candidate, int], TrialSpec]
"""Makes one trial of a candidate under a seed."""


def samples_of(context: Context, spec: TrialSpec, result: TrialResult, whole: bool = True) -> int:
    """Training images that a trial has shown to its model; the epochs of another's trunk do not count.

    Of a training in stages, those of all its stages, unless `whole` is False.
    """
    real = training_size(spec.cache, spec.fold)
    before = trunk_epochs(spec.recipe) if spec.has_foreign_trunk else 0
    if spec.begins is not None and not whole:
        before = spec.begins.epochs
    return max(0, len(result.epochs) - before) * epoch_images(real, spec.synthetic)


def share_of(spec: TrialSpec) -> float:
    """What a trial counts of a whole one (0..1): less than 1 where it begins with another's trunk, or is a stage."""
    if spec.begins is not None or spec.stop is not None:
        before = 0 if spec.begins is None else spec.begins.epochs
        return (spec.last_epoch - before) / spec.recipe.epochs
    return 1 - trunk_epochs(spec.recipe) / spec.recipe.epochs if spec.has_foreign_trunk else 1.0


def results_of(
    context: Context, candidates: Sequence[Candidate], seeds: Sequence[int]
) -> list[tuple[int, TrialResult]]:
    """(training images, result) of every trial of the candidates that has ended."""
    specs = [trial_spec(context, candidate, seed) for candidate in candidates for seed in seeds]
    found = [(spec, context.store.result(spec.key)) for spec in specs]
    return [(samples_of(context, spec, result), result) for spec, result in found if result is not None]


def is_testable(context: Context, key: str) -> bool:
    """Whether a trial can be evaluated on the test set and on those that shift it, or has been."""
    splits = ("test", *(shift.predictions for shift in context.shifts))
    try:
        if context.store.has_weights(key):
            return True
        return all(context.store.predictions(key, split) is not None for split in splits)
    except DamagedFile as damage:
        context.terminal.warn(f"{damage}: it is made again")
        damage.file.unlink(missing_ok=True)
        return is_testable(context, key)


def prune_weights(context: Context) -> None:
    """Delete the weights of the study's trials in the search and the choice: only fresh seeds are tested."""
    for record in context.tracking.records():
        for seed in context.config.search.choice_seeds if record.trials else ():
            with disk_errors_explained(context.store.root):
                spec = trial_spec(context, Candidate.of(record), seed)
                context.store.drop_weights(spec.key)
                drop_states(context, spec)


def evaluate(context: Context, specs: Sequence[TrialSpec], split: str) -> list[Predictions]:
    """Predictions of finished trials on `split`, in the order of `specs`; what goes wrong on the way is told.

    Raises:
        AugurError: one of them could not be evaluated.
    """

    def on_event(event: TrialEvent) -> None:
        if event.kind == "note":
            seed = next(spec.seed for spec in specs if spec.key == event.key)
            context.terminal.warn(f"trial {event.key[:12]} (seed {seed}): {event.text}")

    with disk_errors_explained(context.store.root):
        return context.executor.evaluate(specs, split, on_event)


def train_candidates(
    context: Context,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    phase: Phase,
    title: str,
    testable: bool = False,
    spec_of: SpecOf = trial_spec,
) -> str | None:
    """Train every candidate under every seed; why a limit cut it short, or None.

    A trial whose result lies in the store, trained in an equal environment, is not trained again; with `testable`,
    only if its weights are still there, since they will be evaluated on the test set. `spec_of` makes the trials.

    Raises:
        DiskError: a file cannot be read or written.
    """
    with disk_errors_explained(context.store.root):
        return _train_candidates(context, candidates, seeds, phase, title, testable, spec_of)


def _train_candidates(
    context: Context,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    phase: Phase,
    title: str,
    testable: bool,
    spec_of: SpecOf,
) -> str | None:
    jobs = {spec.key: (c, spec) for seed in seeds for c in candidates for spec in [spec_of(context, c, seed)]}
    runs = _Runs(context, jobs, phase)
    todo = []
    for key, (_, spec) in jobs.items():
        known = _known(context, key)
        usable = known is not None and _usable(context, known, testable)
        scored = with_metric(context, known) if known is not None and usable else None
        if scored is not None:
            runs.end(scored, reused=not context.ledger.knows(key))
            continue
        if known is not None:
            context.store.forget(key)
        todo.append(spec)
    limit = context.config.budget.trials
    allowed = todo if limit is None else _within(todo, limit - context.ledger.spent().trials)
    cut = _over_budget(context) if todo else None
    if allowed and not cut:
        cut = _run(context, allowed, runs, title)
    if len(allowed) < len(todo):
        cut = cut or f"the budget of {limit} trials leaves room for {len(allowed)} of {len(todo)}"
    return cut


def _within(specs: list[TrialSpec], room: int) -> list[TrialSpec]:
    """The first of `specs` that fit into so many trials."""
    taken, count = 0.0, 0
    for spec in specs:
        taken += share_of(spec)
        if taken > room + 1e-6:
            break
        count += 1
    return specs[:count]


def _known(context: Context, key: str) -> TrialResult | None:
    try:
        return context.store.result(key)
    except DamagedFile as damage:
        context.terminal.warn(f"{damage}: the trial is trained again")
        context.store.forget(key)
        return None


def _usable(context: Context, known: TrialResult, testable: bool) -> bool:
    """Whether a result stands for what a worker of this study would get."""
    same = any(machine.items() <= known.environment.items() for machine in context.machines)
    return same and (not testable or known.status == "failed" or is_testable(context, known.key))


def _run(context: Context, specs: list[TrialSpec], runs: "_Runs", title: str) -> str | None:
    """Train `specs`; which limit stopped them, or None."""
    context.terminal.trials_begin(len(specs), title)
    started = time.monotonic()
    results = context.executor.train(specs, runs.on_event)
    try:
        for result in results:
            runs.end(result, reused=False)
            if reason := _over_budget(context, running=True):
                return reason
    except BudgetSpent as spent:
        return str(spent)
    finally:
        results.close()  # type: ignore[attr-defined]  # a generator: stops what still runs
        context.terminal.trials_end()
        context.stopwatch.trained += time.monotonic() - started
    for line in context.executor.take_pace():
        context.terminal.note(line)
    return None


def _over_budget(context: Context, running: bool = False) -> str | None:
    """Which limit is reached, as a sentence. Trials that are `running` were admitted: their number stops none.

    Limits on the LLM stop no training: the last answer that they allow was paid for, and the finish needs no LLM.
    """
    budget = context.config.budget.of_training
    if running:
        budget = budget.model_copy(update={"trials": None})
    return exceeded(context.ledger.spent(), budget)


class _Runs:
    """The MLflow runs of the current trials, each opened when there is something to log."""

    def __init__(self, context: Context, jobs: dict[str, tuple[Candidate, TrialSpec]], phase: Phase) -> None:
        self._context, self._jobs = context, jobs
        self._phase: Phase = phase
        names = {candidate.name: candidate for candidate, _ in jobs.values()}
        self._parents = {name: context.tracking.open_candidate(c, phase) for name, c in names.items()}
        self._runs: dict[str, str] = {}
        self._epochs: dict[str, int] = {}

    def on_event(self, event: TrialEvent) -> None:
        """Tell the ledger, MLflow and the terminal; stop everything when a limit is reached."""
        context = self._context
        candidate, spec = self._jobs[event.key]
        label = f"{candidate.name} · seed {spec.seed}"
        if event.kind == "note":
            context.terminal.warn(f"{label}: {event.text}")
            return
        if event.kind == "started":
            context.ledger.begin_trial(event.key)
            self._run(event.key)
        elif event.kind == "epoch" and event.epoch is not None:
            context.ledger.add_epoch(event.key, event.epoch.epoch, event.epoch.seconds)
            run = self._run(event.key)
            # A resumed trial reports its earlier epochs again.
            if event.epoch.epoch > self._epochs[event.key]:
                context.tracking.log_epoch(run, event.epoch)
        context.terminal.trial_event(event, label)
        if event.kind not in ("ended", "step") and (reason := _over_budget(context, running=True)):
            raise BudgetSpent(reason)

    def end(self, result: TrialResult, reused: bool) -> None:
        """A trial has ended, now or in an earlier session."""
        spec = self._jobs[result.key][1]
        samples = samples_of(self._context, spec, result, whole=False)
        self._context.ledger.add_trial(result.key, result.seconds, reused, samples, share_of(spec))
        self._context.tracking.end_trial(self._run(result.key), result, self._context.data.card.classes)

    def _run(self, key: str) -> str:
        if key not in self._runs:
            candidate, spec = self._jobs[key]
            parent = self._parents[candidate.name]
            fold = str(spec.fold) if spec.fold else ""
            run = self._context.tracking.open_trial(parent, candidate, self._phase, key, spec.seed, fold)
            self._runs[key] = run
            self._epochs[key] = self._context.tracking.epochs_logged(run)
        return self._runs[key]
