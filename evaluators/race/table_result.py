"""What arms came to on a table of trained policies: numbers only. Gains are points of test accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluators.cheap import Agreement


@dataclass(frozen=True)
class Band:
    """Over the repeats."""

    mean: float
    q05: float
    median: float
    q95: float


@dataclass(frozen=True)
class ArmCurve:
    """What the best so far gains over the default on the test, by what it took; over the repeats."""

    at: Sequence[float]
    """Trainings, or full trainings' worth of training images."""
    mean: Sequence[float]
    q05: Sequence[float]
    median: Sequence[float]
    q95: Sequence[float]


@dataclass(frozen=True)
class ArmOnTable:
    """One arm."""

    gain_over_default: Band
    """At the end."""
    gain_over_none: float
    left: float
    """Share of the searches (0..1) that chose something else than the default."""
    trainings: float
    """Of a search, of any length; mean, as all below."""
    cost: float
    """In full trainings."""
    tried: float
    """Proposals."""
    distance: float
    """How far the entries were from what was proposed: see docs/tables.md."""
    by_trainings: ArmCurve
    by_cost: ArmCurve


@dataclass(frozen=True)
class Duel:
    """Two arms, paired by repeat, at the end."""

    arm: str
    other: str
    difference: float
    """Of their gains, mean."""
    error: float | None
    """Standard error of that mean over the repeats, for this table; None with one repeat."""
    better: float
    """Share of the repeats in which what the first arm chose is better on the test."""
    worse: float


@dataclass(frozen=True)
class TableRace:
    """All of it."""

    arms: Mapping[str, ArmOnTable]
    duels: Sequence[Duel]
    best_entry: str
    """Of the table, by the test."""
    best_gain: float
    """Of that entry over the default; lucky, since it is the best of many."""
    none_gain: float
    """Of no augmentation over the default."""
    short: Agreement | None
    """How well the short length ranks the entries; None where no arm uses it."""
