"""Choice rules tried on a table of trained policies: what would have been recommended, and how good it is on the test.

In every repeat some entries and seeds are drawn. Only the validation results under these seeds choose; how good a
choice is, the test results say, averaged over all seeds of the table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evaluators.recommendation import Contender, ImageScores, Kind, recommend
from evaluators.report.comparison import TestScores, verdict_between
from evaluators.statistics import paired_difference
from evaluators.tables import Results, Table
from tools.errors import ConfigurationError

PLANTED = 0.03
"""How much better the planted entry is than the default, in validation and test accuracy."""
FEWEST_CANDIDATES, FEWEST_SEEDS = 1, 2


@dataclass(frozen=True)
class Gains:
    """Of what a rule chose, on the test, in points of accuracy."""

    gain_over_default: float
    q05_over_default: float
    """The gain over the default that one repeat of twenty falls below."""
    gain_over_none: float
    left: float
    """Share of the repeats (0..1) in which something else than the default was chosen."""


@dataclass(frozen=True)
class Simulation:
    """What the rules did."""

    rules: Mapping[str, Gains]
    """'rule' (the product's own), 'highest_accuracy', 'lowest_loss', 'default'."""
    planted: float
    """Share of the repeats (0..1) that take an entry that is truly better by `PLANTED`."""
    false_recommended: float
    """Share of the repeats that recommend a candidate that traded results with the default, at random seed by seed."""
    false_better: float
    """Share that, moreover, call it better than the default."""


def simulate(
    table: Table,
    candidates: int,
    seeds: int,
    repeats: int,
    random_seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,
) -> Simulation:
    """Draw `repeats` studies from `table`.

    Args:
        table: with the default and no augmentation.
        candidates: other entries of a study.
        seeds: under which each is validated.
        repeats: studies.
        random_seed: of the draws.
        progress: called after each study with the number done.

    Raises:
        ConfigurationError: if the table has too few entries or seeds.
    """
    others = [at for at in range(len(table.names)) if at not in (table.default, table.none)]
    _check(table, len(others), candidates, seeds, repeats)
    draw = np.random.default_rng(random_seed)
    true = 100 * table.test.scores.mean(1)
    slope = _slope(table)
    chosen: dict[str, list[int]] = {
        name: [] for name in ("rule", "highest_accuracy", "lowest_loss", "default")
    }
    planted = taken = called = 0
    for done in range(repeats):
        study = _Study(
            table,
            draw.choice(others, candidates, replace=False),
            np.sort(draw.choice(len(table.seeds), seeds, replace=False)),
        )
        chosen["rule"].append(study.choose())
        chosen["highest_accuracy"].append(study.highest(table.validation.scores))
        chosen["lowest_loss"].append(study.highest(-table.validation.losses))
        chosen["default"].append(table.default)
        planted += study.takes_planted(slope, draw)
        recommended, better = study.judge_swapped(draw)
        taken, called = taken + recommended, called + better
        progress(done + 1)
    return Simulation(
        {
            name: _gains(true[places], true[table.default], true[table.none])
            for name, places in chosen.items()
        },
        planted / repeats,
        taken / repeats,
        called / repeats,
    )


def _gains(found: np.ndarray, default: float, none: float) -> Gains:
    over = found - default
    return Gains(
        float(over.mean()),
        float(np.quantile(over, 0.05)),
        float(found.mean() - none),
        float((over != 0).mean()),
    )


def _check(table: Table, others: int, candidates: int, seeds: int, repeats: int) -> None:
    if not FEWEST_CANDIDATES <= candidates <= others:
        raise ConfigurationError(
            f"--candidates {candidates}: the table has {others} complete entries of {table.epochs} epochs beside the "
            f"default and no augmentation; give {FEWEST_CANDIDATES} to {others}"
        )
    if not FEWEST_SEEDS <= seeds <= len(table.seeds):
        raise ConfigurationError(
            f"--seeds {seeds}: the table has {len(table.seeds)}; give {FEWEST_SEEDS} to {len(table.seeds)}"
        )
    if repeats < 1:
        raise ConfigurationError(f"--repeats {repeats}: expected 1 or more")


def _slope(table: Table) -> float:
    """Test accuracy (0..1) per unit of test loss, over the entries: negative."""
    losses, scores = table.test.losses.mean(1), table.test.scores.mean(1)
    slope = float(np.polyfit(losses, scores, 1)[0]) if np.ptp(losses) > 0 else 0.0
    if slope >= 0:
        raise ConfigurationError(
            "accuracy does not fall with log loss in this table: nothing can be planted by its slope"
        )
    return slope


class _Study:
    """One draw."""

    def __init__(self, table: Table, candidates: np.ndarray, seeds: np.ndarray) -> None:
        self._table, self._candidates, self._seeds = table, candidates, seeds
        images = table.validation.correct
        self._ids = np.arange(0 if images is None else images.shape[2])
        self._contenders = [
            self._contender(table.none, "none"),
            self._contender(table.default, "default"),
            *(self._contender(int(at), "policy") for at in candidates),
        ]

    def choose(self) -> int:
        """The entry that the product recommends."""
        name = recommend(self._contenders).name
        fixed = {"none": self._table.none, "default": self._table.default}
        return fixed[name] if name in fixed else int(name)

    def highest(self, values: np.ndarray) -> int:
        """The entry with the highest mean of `values` under the seeds of the study; the default wins a tie."""
        entries = [self._table.default, self._table.none, *map(int, self._candidates)]
        return entries[int(values[entries][:, self._seeds].mean(1).argmax())]

    def takes_planted(self, slope: float, draw: np.random.Generator) -> bool:
        """Whether an entry in the place of the last candidate, which is better than the default, is recommended."""
        results, at = self._table.validation, self._table.default
        correct = None if results.correct is None else results.correct[at].copy()
        if correct is not None:
            for row in correct:
                wrong = np.flatnonzero(~row)
                row[draw.permutation(wrong)[: round(PLANTED * len(row))]] = True
        better = self._made(
            "planted",
            "policy",
            np.minimum(results.scores[at] + PLANTED, 1.0),
            np.maximum(results.losses[at] + PLANTED / slope, 0.0),
            correct,
        )
        return recommend([*self._contenders[:-1], better]).name == "planted"

    def judge_swapped(self, draw: np.random.Generator) -> tuple[bool, bool]:
        """Whether a candidate is recommended, and called better, that traded results with the default.

        They trade at random, seed by seed, so that nothing distinguishes the two. The candidate is called better where
        it is recommended, by validation, and the verdict on the test is 'better', as in a study.
        """
        one, other = self._table.default, int(draw.choice(self._candidates))
        swapped = draw.random(len(self._table.seeds)) < 0.5
        validation = [_mixed(self._table.validation, *pair, swapped) for pair in ((one, other), (other, one))]
        default, candidate = (
            self._made(name, kind, *rows)
            for name, kind, rows in zip(
                ("default", str(other)), ("default", "policy"), validation, strict=True
            )
        )
        contenders = [
            default if each.kind == "default" else candidate if each.name == candidate.name else each
            for each in self._contenders
        ]
        if recommend(contenders).name != candidate.name:
            return False, False
        return True, _verdict(
            _mixed(self._table.test, other, one, swapped), _mixed(self._table.test, one, other, swapped)
        )

    def _contender(self, at: int, kind: Kind) -> Contender:
        results = self._table.validation
        correct = None if results.correct is None else results.correct[at]
        return self._made(
            kind if kind in ("none", "default") else str(at),
            kind,
            results.scores[at],
            results.losses[at],
            correct,
        )

    def _made(
        self, name: str, kind: Kind, scores: np.ndarray, losses: np.ndarray, correct: np.ndarray | None
    ) -> Contender:
        """With the results under the seeds of the study, of those (seeds of the table,)."""
        return Contender(
            name,
            kind,
            {int(seed): float(scores[seed]) for seed in self._seeds},
            {int(seed): float(losses[seed]) for seed in self._seeds},
            {int(seed): ImageScores(self._ids, None, correct[seed]) for seed in self._seeds}
            if correct is not None
            else {},
        )


_Rows = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Scores, losses (seeds,) and correct (seeds, images) of one entry."""


def _mixed(results: Results, one: int, other: int, swapped: np.ndarray) -> _Rows:
    """Rows of `one`, of `other` where swapped."""
    correct = results.correct
    return (
        np.where(swapped, results.scores[other], results.scores[one]),
        np.where(swapped, results.losses[other], results.losses[one]),
        None if correct is None else np.where(swapped[:, None], correct[other], correct[one]),
    )


def _verdict(treatment: _Rows, control: _Rows) -> bool:
    """Whether the product's verdict on the test is 'better'; over seeds alone where nothing is known by image."""
    scores = [dict(enumerate(map(float, rows[0]))) for rows in (treatment, control)]
    over_seeds = paired_difference(scores[0], scores[1])
    if over_seeds is None or over_seeds.low is None or over_seeds.low <= 0:
        return False
    if treatment[2] is None or control[2] is None:
        return True
    found = verdict_between(_tested(scores[0], treatment[2]), _tested(scores[1], control[2]), None)
    return found is not None and found.kind == "better"


def _tested(scores: Mapping[int, float], correct: np.ndarray) -> TestScores:
    return TestScores(scores, {}, dict(enumerate(correct)))
