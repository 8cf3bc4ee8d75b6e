"""What the nodes work with: the open data set, the workers, the memory, the ledger. Never checkpointed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from agent.memory import Candidate, Phase, Tracking
from agent.memory.history import Backgrounds, History, IterationRecord, Rejection
from agent.memory.ledger import Ledger, describe, exceeded
from agent.memory.proposal import SCHEMA_VERSION, Proposal
from agent.proposers import Proposer
from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.state import Refusal
from agent.steps.shifts import Shift
from agent.steps.synthesis import Synthesis
from evaluators.statistics import is_within_noise, paired_difference
from tools.datasets.cache.read import CachedDataset
from tools.execution.executor import Executor
from tools.policy.catalogue import default_operation
from tools.training.config import Recipe, TrialSpec
from tools.training.trial_store import TrialStore, trial_key

REFERENCE = "no augmentation"


@dataclass
class Context:
    """One sitting of a study."""

    config: StudyConfig
    study: str
    folder: Path
    """The study's own: config, ledger, contact sheets, report."""
    data: CachedDataset
    recipe: Recipe
    tracking: Tracking
    ledger: Ledger
    terminal: Terminal
    executor: Executor
    machines: list[dict[str, str]]
    """Environments of the workers: a result from any other is not reused."""
    store: TrialStore
    make_proposer: Callable[[], Proposer]
    backgrounds: Backgrounds
    """Whether proposals carry background prompts."""
    synthesis: Synthesis
    shifts: Sequence[Shift] = ()
    """Other data sets that the finish tests on."""
    stopwatch: "Stopwatch" = field(default_factory=lambda: Stopwatch())
    _proposer: Proposer | None = None

    # ------------------------------------------------------------- candidates

    @property
    def proposer(self) -> Proposer:
        """The arm; connected to its LLM when first asked for."""
        if self._proposer is None:
            self._proposer = self.make_proposer()
        return self._proposer

    def reference(self) -> Candidate:
        """No augmentation."""
        return Candidate(
            REFERENCE, 0, "reference", Proposal(hypothesis="The reference.", expected_gain=0.0, policy=[])
        )

    def baselines(self) -> list[Candidate]:
        """Whole policies of the literature at their defaults; the arm `fixed` proposes them itself."""
        if self.config.search.proposer == "fixed":
            return []
        return [
            Candidate(
                name,
                0,
                "baseline",
                Proposal(
                    hypothesis="A baseline of the literature.",
                    expected_gain=0.0,
                    policy=[default_operation(name)],
                ),
            )
            for name in self.config.search.baselines
        ]

    def iterations(self) -> int:
        """How many iterations the search has; the arm `fixed` has one for each baseline."""
        search = self.config.search
        return (
            min(search.iterations, len(search.baselines)) if search.proposer == "fixed" else search.iterations
        )

    def candidate(self, iteration: int, proposal: Proposal) -> Candidate:
        """The proposal of an iteration."""
        return Candidate(f"iteration {iteration}", iteration, self.proposer.name, proposal)

    def finalists(self) -> list[Candidate]:
        """The top k iterations by mean validation accuracy, best first; the earlier one where they tie."""
        judged = [
            record for record in self.tracking.records() if record.number > 0 and record.mean is not None
        ]
        judged.sort(key=lambda record: (-(record.mean or 0.0), record.number))
        return [
            Candidate(record.name, record.number, record.arm, record.proposal)
            for record in judged[: self.config.search.top_k]
        ]

    def seeds(self, count: int) -> list[int]:
        """The first `count` trial seeds of the study."""
        return list(range(self.config.search.seed, self.config.search.seed + count))

    # ---------------------------------------------------------------- history

    def history(self, iteration: int, refusals: Sequence[Refusal]) -> History:
        """What the arm is told before it proposes `iteration`: everything from MLflow, the refusals from the state."""
        records = [record for record in self.tracking.records() if record.number < iteration]
        reference = next((record for record in records if record.name == REFERENCE), None)
        past = tuple(sorted((r for r in records if r.number > 0), key=lambda record: record.number))
        low, high = self.config.search.operation_range
        model = self.config.model
        return History(
            card=self.data.card,
            class_counts=self.data.class_counts("train"),
            image_size=self.data.image_size,
            model=f"{model.name}, "
            + (f"weights {model.weights}" if model.weights else "trained from scratch"),
            recipe=describe_recipe(self.recipe),
            minimum_operations=low,
            maximum_operations=high,
            iteration=iteration,
            iterations=self.iterations(),
            seed=self.config.search.seed,
            reference=reference,
            noise=reference.std if reference else None,
            baselines=tuple(r for r in records if r.number == 0 and r.name != REFERENCE),
            past=past,
            cache=self.data.folder,
            rejections=tuple(Rejection(refusal["answer"], tuple(refusal["reasons"])) for refusal in refusals),
            budget_left=describe(self.ledger.spent(), self.config.budget),
            backgrounds=self.backgrounds,
            incumbent=max(
                (record for record in past if record.mean is not None),
                key=lambda record: (record.mean or 0.0, -record.number),
                default=None,
            ),
        )

    # ----------------------------------------------------------------- trials

    def spec(self, candidate: Candidate, seed: int) -> TrialSpec:
        """One trial of a candidate, with its key."""
        synthetic = self.synthesis.of(candidate.proposal)
        key = trial_key(
            candidate.policy_json,
            self.data.fingerprint,
            self.config.model,
            self.recipe,
            seed,
            SCHEMA_VERSION,
            synthetic,
        )
        return TrialSpec(
            key=key,
            policy=candidate.policy_json,
            cache=self.data.folder,
            image_size=self.data.image_size,
            classes=len(self.data.card.classes),
            ordinal=self.data.card.ordinal,
            model=self.config.model,
            recipe=self.recipe,
            seed=seed,
            directory=self.store.directory(key),
            loader_workers=self.config.training.loader_workers,
            synthetic=synthetic,
        )

    def specs(self, candidate: Candidate, seeds: Sequence[int]) -> list[TrialSpec]:
        """The trials of a candidate."""
        return [self.spec(candidate, seed) for seed in seeds]

    def testable(self, key: str) -> bool:
        """Whether the test set and those that shift it can be put to a trial, or have been."""
        asked = ("test", *(shift.predictions for shift in self.shifts))
        return self.store.has_weights(key) or all(
            self.store.predictions(key, name) is not None for name in asked
        )

    def search_over(self) -> str | None:
        """Why no further iteration may begin: a limit is reached, or what is left is kept for the finish."""
        spent, search, budget = self.ledger.spent(), self.config.search, self.config.budget
        if reason := exceeded(spent, budget):
            return reason
        contenders = 1 + len(self.baselines()) + search.top_k
        finish = contenders * max(0, search.final_seeds - search.seeds)
        first = (1 + len(self.baselines())) * search.seeds
        trials = spent.trials + spent.reused_trials
        if budget.trials is not None:
            # At most half of what the reference left is kept, so that a small budget still searches.
            kept = min(finish, max(0, budget.trials - first) // 2)
            if spent.trials + search.seeds + kept > budget.trials:
                return f"what is left of {budget.trials} trials is kept for the finish ({kept} trials)"
        for limit, used, unit in (
            (budget.training_seconds, spent.training_seconds, "training seconds"),
            (budget.wall_clock, spent.wall_clock, "seconds of wall-clock time"),
        ):
            if limit is None or not trials:
                continue
            each = used / trials
            kept_time = min(finish * each, max(0.0, limit - first * each) / 2)
            if used + search.seeds * each + kept_time > limit:
                return f"what is left of {limit:g} {unit} is kept for the finish ({kept_time:.0f} s)"
        return None

    def examples(self, count: int = 8) -> tuple[np.ndarray, list[str]]:
        """Training images uint8 (n ≤ count, S, S, 3) spread over the classes, the same every time, with class names."""
        view, classes = self.data.split("train"), self.data.card.classes
        order = np.argsort(view.labels, kind="stable")
        picked = order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)]
        return np.asarray(view.images[np.sort(picked)]), [classes[view.labels[i]] for i in np.sort(picked)]

    def log_ledger(self) -> None:
        """Print what was spent, and log it with the study."""
        spent = self.ledger.spent()
        line = describe(spent, self.config.budget)
        self.terminal.ledger(line)
        self.tracking.log_study({}, tags={"ledger": line})
        self.tracking.log_json(self.tracking.study_run, asdict(spent), "ledger.json")

    # ---------------------------------------------------------------- judging

    def judge(self, candidate: Candidate, phase: Phase) -> IterationRecord:
        """Write a candidate's mean, spread and paired gain over the reference to MLflow, and read it back."""
        accuracies = self.accuracies(candidate, phase)
        reference = self.accuracies(self.reference(), "final" if phase == "final" else "reference")
        gain = None if candidate.name == REFERENCE else paired_difference(accuracies, reference)
        within = None if gain is None else is_within_noise(gain, _std(list(reference.values())))
        run = self.tracking.open_candidate(candidate, phase)
        self.tracking.end_candidate(run, accuracies, _std(list(accuracies.values())), gain, within)
        return next(r for r in self.tracking.records(phase) if r.name == candidate.name)

    def accuracies(self, candidate: Candidate, phase: Phase) -> dict[int, float]:
        """Seed → validation accuracy, over the finished trials."""
        results = self.tracking.trial_results(candidate.name, phase)
        return {seed: result.scores.accuracy for seed, result in results.items() if result.scores is not None}

    def prune_weights(self, keep: Sequence[Candidate]) -> None:
        """Delete the weights of the study's trials that no finalist, baseline or reference needs any more."""
        kept = {spec.key for c in keep for spec in self.specs(c, self.seeds(self.config.search.final_seeds))}
        seeds = self.seeds(self.config.search.seeds)
        for record in self.tracking.records():
            if not record.trials:
                continue
            for spec in self.specs(Candidate(record.name, record.number, record.arm, record.proposal), seeds):
                if spec.key not in kept:
                    self.store.drop_weights(spec.key)


@dataclass
class Stopwatch:
    """Splits an iteration's time into training and the rest."""

    begun: float | None = None
    trained: float = 0.0

    def start(self) -> None:
        """An iteration begins."""
        self.begun, self.trained = time.monotonic(), 0.0

    def outside_training(self) -> float | None:
        """Seconds of this iteration that were not spent on trials; None where it began in an earlier sitting."""
        return None if self.begun is None else time.monotonic() - self.begun - self.trained


def describe_recipe(recipe: Recipe) -> str:
    """The recipe in one line."""
    schedule = f"step {recipe.step_size}×{recipe.gamma:g}" if recipe.schedule == "step" else "cosine"
    return (
        f"{recipe.name}: {recipe.epochs} epochs, batch {recipe.batch_size}, {recipe.optimizer} "
        f"lr {recipe.learning_rate:g}, {schedule}, weight decay {recipe.weight_decay:g}, "
        f"label smoothing {recipe.label_smoothing:g}"
    )


def _std(values: list[float]) -> float | None:
    """Sample standard deviation; None with fewer than two values."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
