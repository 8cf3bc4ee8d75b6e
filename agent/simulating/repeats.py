"""Arms on a table, many times: how good what they choose is on the test, against what it took."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from agent.simulating.arms import TableArm
from agent.simulating.search import Rules, Searched, TableSearch
from agent.simulating.trained import Trained
from evaluators.cheap import Agreement, Pair, agreement_of
from evaluators.race.table_result import ArmCurve, ArmOnTable, Band, Duel, TableRace
from tools.errors import ConfigurationError

FEWEST_SEEDS = 2


def race_on_table(
    trained: Trained,
    arms: Sequence[TableArm],
    rules: Rules,
    seeds: int,
    repeats: int,
    random_seed: int = 0,
    progress: Callable[[int], object] = lambda done: None,
) -> TableRace:
    """Search with every arm `repeats` times; in each repeat all arms validate under the same seeds of the table.

    Args:
        trained: the table.
        arms: what searches.
        rules: the budget of each search.
        seeds: under which each proposal is validated.
        repeats: searches of each arm.
        random_seed: of all draws.
        progress: called with the number of searches done.

    Raises:
        ConfigurationError: the table has too few seeds, or the budget is too small for one iteration.
    """
    _check(trained, arms, rules, seeds, repeats)
    found: dict[str, list[Searched]] = {arm.name: [] for arm in arms}
    done = 0
    for repeat in range(repeats):
        draw = np.random.default_rng([random_seed, repeat])
        chosen = np.sort(draw.choice(len(trained.full.seeds), seeds, replace=False))
        own = int(draw.integers(2**31))
        for arm in arms:
            found[arm.name].append(
                TableSearch(trained, arm, rules, [int(seed) for seed in chosen], own).run()
            )
            done += 1
            progress(done)
    true = 100 * trained.full.test.scores.mean(1)
    over = true - true[trained.full.default]
    gains = {name: over[[each.winner for each in own]] for name, own in found.items()}
    best = int(over.argmax())
    return TableRace(
        arms={name: _summary(trained, own, over, rules, seeds) for name, own in found.items()},
        duels=tuple(_duel(one, other, gains) for one, other in combinations(gains, 2)),
        best_entry=trained.full.names[best],
        best_gain=float(over[best]),
        none_gain=float(over[trained.full.none]),
        short=None if trained.short is None else _agreement(trained),
    )


def _check(trained: Trained, arms: Sequence[TableArm], rules: Rules, seeds: int, repeats: int) -> None:
    known = len(trained.full.seeds)
    if not FEWEST_SEEDS <= seeds <= known:
        raise ConfigurationError(f"--seeds {seeds}: the table has {known}; give {FEWEST_SEEDS} to {known}")
    if repeats < 1:
        raise ConfigurationError(f"--repeats {repeats}: expected 1 or more")
    if rules.candidates < 2 and any(arm.saving != "none" for arm in arms):
        raise ConfigurationError(
            f"--candidates {rules.candidates}: +short and +race save trainings among several proposals; give 2 or more"
        )
    for arm in arms:
        search = TableSearch(trained, arm, rules, range(seeds), 0)
        if (least := search.least_cost) > rules.budget:
            raise ConfigurationError(
                f"--trials {rules.budget:g}: the default policy and one iteration of {arm.name} take {least:g} full "
                f"trainings with {seeds} seeds; give {int(np.ceil(least))} or more"
            )
        if search.count > len(trained.full.names) - 2:
            raise ConfigurationError(
                f"--candidates {rules.candidates}: the table has {len(trained.full.names) - 2} entries besides the "
                "default and no augmentation"
            )


def _summary(
    trained: Trained, searches: Sequence[Searched], over: np.ndarray, rules: Rules, seeds: int
) -> ArmOnTable:
    final = over[[each.winner for each in searches]]
    places = np.arange(seeds, int(rules.budget + 1e-9) + 1)
    by_cost = [_steps([(p.cost, over[p.entry]) for p in each.points], places) for each in searches]
    most = max(each.points[-1].trainings for each in searches)
    trainings = np.arange(seeds, most + 1)
    by_count = [_steps([(p.trainings, over[p.entry]) for p in each.points], trainings) for each in searches]
    return ArmOnTable(
        gain_over_default=_band(final),
        gain_over_none=float(final.mean() - over[trained.full.none]),
        left=float(np.mean([each.winner != trained.full.default for each in searches])),
        trainings=float(np.mean([each.points[-1].trainings for each in searches])),
        cost=float(np.mean([each.points[-1].cost for each in searches])),
        tried=float(np.mean([len(each.tried) for each in searches])),
        distance=float(np.mean([distance for each in searches for distance in each.distances])),
        by_trainings=_curve(trainings, by_count),
        by_cost=_curve(places, by_cost),
    )


def _steps(points: Sequence[tuple[float, float]], places: np.ndarray) -> np.ndarray:
    """The value of the last point at or before each place; that of the first before it."""
    at, values = np.array([x for x, _ in points]), np.array([y for _, y in points])
    return values[np.maximum(0, np.searchsorted(at, places + 1e-9, side="right") - 1)]


def _curve(places: np.ndarray, values: Sequence[np.ndarray]) -> ArmCurve:
    stacked = np.stack(values)
    low, high = np.quantile(stacked, (0.05, 0.95), axis=0)
    middle = np.median(stacked, axis=0)
    return ArmCurve(*(tuple(map(float, row)) for row in (places, stacked.mean(axis=0), low, middle, high)))


def _band(values: np.ndarray) -> Band:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return Band(float(values.mean()), float(low), float(middle), float(high))


def _duel(one: str, other: str, gains: Mapping[str, np.ndarray]) -> Duel:
    """Of two arms, paired by repeat."""
    difference = gains[one] - gains[other]
    error = float(difference.std(ddof=1) / np.sqrt(difference.size)) if difference.size > 1 else None
    return Duel(
        one,
        other,
        float(difference.mean()),
        error,
        float((difference > 0).mean()),
        float((difference < 0).mean()),
    )


def _agreement(trained: Trained) -> Agreement:
    """How well the short length ranks all entries of the table, by validation accuracy over all seeds."""
    assert trained.short is not None
    short, full = (table.validation.scores.mean(1) for table in (trained.short, trained.full))
    pairs = [
        Pair(name, float(a), float(b)) for name, a, b in zip(trained.full.names, short, full, strict=True)
    ]
    return agreement_of([pairs])
