"""The numbers of a table where the paper has them: rows, groups of columns, and in each place what is printed and ours.

Light: knows nothing of how cells are run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.paper.protocol import Protocol
from agent.paper.results import Result
from evaluators.statistics import DIFFERENCES, Interval, mean_interval

Results = Mapping[tuple[str, str], Result]
"""(model, arm) → what it came to."""


@dataclass(frozen=True)
class Entry:
    """One place of the table."""

    on: str
    model: str
    arm: str
    printed: float | None
    """As the paper prints it: a score as a fraction, a gain in points."""
    ours: Interval | None
    """Over seeds; a gain as a difference of fractions."""
    is_gain: bool = False


@dataclass(frozen=True)
class Group:
    """Columns that stand under one heading."""

    title: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Laid:
    """A table as the paper lays it out."""

    corner: str
    groups: tuple[Group, ...]
    rows: tuple[tuple[str, tuple[tuple[Entry, ...], ...]], ...]
    """(title, entries of each group)."""
    extra: frozenset[str]
    """Titles of rows or columns that are not in the paper."""

    @property
    def entries(self) -> list[Entry]:
        """All of them, row by row."""
        return [entry for _, groups in self.rows for group in groups for entry in group]


def lay_out(protocol: Protocol, results: Results) -> Laid:
    """Put what is known where the paper has it. An arm that the paper lacks is shown once one of its cells is run."""
    shown = [
        name
        for name, arm in protocol.arms.items()
        if not arm.extra or any(each == name for _, each in results)
    ]
    arms = {name: protocol.arms[name] for name in shown}
    extra = frozenset(arm.title for arm in arms.values() if arm.extra)

    def entry(on: str, model: str, arm: str) -> Entry:
        printed = protocol.printed.get(on, {}).get(model, {}).get(arm)
        result = results.get((model, arm))
        scores = list(result.scores.get(on, {}).values()) if result else []
        return Entry(on, model, arm, printed, mean_interval(scores) if scores else None)

    if protocol.layout == "arms_down":
        groups = tuple(
            Group(title, tuple(model.title for model in protocol.models.values()))
            for title in protocol.on.values()
        )
        rows = [
            (
                arm.title,
                tuple(tuple(entry(on, model, name) for model in protocol.models) for on in protocol.on),
            )
            for name, arm in arms.items()
        ]
        return Laid("Augmentation", groups, tuple(rows), extra)
    gain = ("gain",) if protocol.gain else ()
    groups = tuple(
        Group(title, (*(arm.title for arm in arms.values()), *gain)) for title in protocol.on.values()
    )
    rows = [
        (
            model.title,
            tuple(_row_of_model(protocol, results, list(arms), name, on, entry) for on in protocol.on),
        )
        for name, model in protocol.models.items()
    ]
    return Laid("Model", groups, tuple(rows), extra)


def _row_of_model(
    protocol: Protocol,
    results: Results,
    arms: list[str],
    model: str,
    on: str,
    entry: Callable[[str, str, str], Entry],
) -> tuple[Entry, ...]:
    found = [entry(on, model, arm) for arm in arms]
    if protocol.gain is None:
        return tuple(found)
    treatment, control = protocol.gain
    printed = protocol.printed_gain.get(on, {}).get(model)
    ours = _gain(results.get((model, treatment)), results.get((model, control)), on)
    return (*found, Entry(on, model, f"{treatment} over {control}", printed, ours, is_gain=True))


def _gain(treatment: Result | None, control: Result | None, on: str) -> Interval | None:
    """Paired by seed, with Student's t."""
    if treatment is None or control is None:
        return None
    one, other = treatment.scores.get(on, {}), control.scores.get(on, {})
    differences = [one[seed] - other[seed] for seed in one if seed in other]
    return mean_interval(differences, DIFFERENCES) if differences else None


def ours_in_words(protocol: Protocol, entry: Entry) -> str:
    """Our number with its interval, in the paper's way of writing; '' where it was not run."""
    if entry.ours is None:
        return ""
    mean, low, high = entry.ours.mean, entry.ours.low, entry.ours.high
    if entry.is_gain:
        digits = max(1, protocol.decimals)
        text = f"{100 * mean:+.{digits}f}"
        text += "" if low is None or high is None else f" [{100 * low:+.{digits}f}, {100 * high:+.{digits}f}]"
        return text.replace("-", "−")
    text = protocol.score(mean)
    return text if low is None or high is None else f"{text} [{protocol.score(low)}, {protocol.score(high)}]"


def printed_in_words(protocol: Protocol, entry: Entry) -> str:
    """The paper's number as it is printed there; '' where it prints none."""
    if entry.printed is None:
        return ""
    if entry.is_gain:
        return f"{entry.printed:.2f}".removesuffix("0")
    if protocol.number == "percent":
        return f"{100 * entry.printed:.4g}%"
    return protocol.score(entry.printed)
