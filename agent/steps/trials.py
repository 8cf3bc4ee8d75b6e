"""Training candidates: what is already trained is found, the rest goes to the workers, within the budget."""

import time
from collections.abc import Sequence

from agent.context import Context
from agent.memory import Candidate, Phase
from agent.memory.ledger import BudgetSpent, exceeded
from tools.training.config import TrialSpec
from tools.training.types import TrialEvent, TrialResult


def train_candidates(
    context: Context,
    candidates: Sequence[Candidate],
    seeds: Sequence[int],
    phase: Phase,
    title: str,
    testable: bool = False,
) -> str | None:
    """Train every candidate under every seed; why a limit cut it short, or None.

    A trial whose result lies in the store, trained in an equal environment, is not trained again; with `testable`,
    only if its weights are still there, since the test set will be put to them.
    """
    jobs = {spec.key: (c, spec) for seed in seeds for c in candidates for spec in [context.spec(c, seed)]}
    runs = _Runs(context, jobs, phase)
    todo = []
    for key, (_, spec) in jobs.items():
        known = context.store.result(key)
        if known is not None and _usable(context, known, testable):
            runs.end(known, reused=not context.ledger.knows(key))
            continue
        if known is not None:
            context.store.forget(key)
        todo.append(spec)
    limit = context.config.budget.trials
    allowed = todo if limit is None else todo[: max(0, limit - context.ledger.spent().trials)]
    cut = _over_budget(context) if todo else None
    if allowed and not cut:
        cut = _run(context, allowed, runs, title)
    if len(allowed) < len(todo):
        cut = cut or f"the budget of {limit} trials leaves room for {len(allowed)} of {len(todo)}"
    return cut


def _usable(context: Context, known: TrialResult, testable: bool) -> bool:
    """Whether a result stands for what a worker of this study would get."""
    same = any(machine.items() <= known.environment.items() for machine in context.machines)
    return same and (not testable or known.status == "failed" or context.testable(known.key))


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
    return None


def _over_budget(context: Context, running: bool = False) -> str | None:
    """Which limit is reached, as a sentence. While trials are `running` their number is none: those were admitted."""
    budget = context.config.budget.model_copy(update={"trials": None}) if running else context.config.budget
    return exceeded(context.ledger.spent(), budget)


class _Runs:
    """The MLflow runs of the trials in hand, each opened when there is something to say of it."""

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
        if event.kind == "started":
            context.ledger.begin_trial(event.key)
            self._run(event.key)
        elif event.kind == "epoch" and event.epoch is not None:
            context.ledger.add_epoch(event.key, event.epoch.epoch, event.epoch.seconds)
            run = self._run(event.key)
            # A resumed trial tells of its earlier epochs again.
            if event.epoch.epoch > self._epochs[event.key]:
                context.tracking.log_epoch(run, event.epoch)
        context.terminal.trial_event(event, f"{candidate.name} · seed {spec.seed}")
        if event.kind != "ended" and (reason := _over_budget(context, running=True)):
            raise BudgetSpent(reason)

    def end(self, result: TrialResult, reused: bool) -> None:
        """A trial has ended, now or in an earlier sitting."""
        self._context.ledger.add_trial(result.key, result.seconds, reused)
        self._context.tracking.end_trial(self._run(result.key), result, self._context.data.card.classes)

    def _run(self, key: str) -> str:
        if key not in self._runs:
            candidate, spec = self._jobs[key]
            parent = self._parents[candidate.name]
            run = self._context.tracking.open_trial(parent, candidate, self._phase, key, spec.seed)
            self._runs[key] = run
            self._epochs[key] = self._context.tracking.epochs_logged(run)
        return self._runs[key]
