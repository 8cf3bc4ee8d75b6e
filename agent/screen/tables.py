"""Results as a person reads them on a terminal: accuracies in percent, gains in points, and the tables of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluators.wording import gain, signed

if TYPE_CHECKING:
    from evaluators.statistics import Interval


@dataclass(frozen=True)
class Row:
    """A line of the table of iterations. Accuracies are 0..1; gains are differences of them."""

    number: str
    """Of the iteration; empty for the reference and the baselines."""
    name: str
    policy: str
    mean: float | None
    std: float | None
    gain: float | None
    interval: tuple[float, float] | None
    verdict: str


@dataclass(frozen=True)
class FinalRow:
    """A line of the final table: validation and test accuracy, and the gain on test over the reference (0..1)."""

    name: str
    policy: str
    role: str
    validation: "Interval | None"
    test: "Interval | None"
    gain: "Interval | None"


def percent(value: float | None, spread: float | None = None) -> str:
    """An accuracy (0..1) as '93.4%', or '93.4% ± 0.5' with its standard deviation; a dash for None."""
    if value is None:
        return "–"
    return f"{100 * value:.1f}%" + ("" if spread is None else f" ± {100 * spread:.1f}")


def open_table(*headers: str) -> Table:
    """A table without lines, to which rows are added."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _named(name: str, policy: str, style: str, note: str = "") -> Group:
    """A candidate and beneath it its policy, which may be long."""
    head = Text(name + note, style=style)
    return (
        Group(head) if policy in ("", name) else Group(head, Padding(Text(policy, style="dim"), (0, 0, 0, 2)))
    )


def iterations_table(rows: Sequence[Row]) -> Table:
    """All that was compared so far, the best iteration marked."""
    table = open_table("candidate")
    for header in ("validation", "gain (points)", "verdict"):
        table.add_column(header, no_wrap=True)
    found = [row.mean for row in rows if row.number and row.mean is not None]
    if found:
        table.caption, table.caption_justify = Text("★ the best iteration so far", style="dim"), "left"
    for row in rows:
        best = bool(row.number) and row.mean is not None and row.mean == max(found)
        style = "bold green" if best else ""
        table.add_row(
            _named(row.name, row.policy, style, " ★" if best else ""),
            Text(percent(row.mean, row.std), style=style),
            Text(gain(row.gain, row.interval)),
            Text(
                row.verdict,
                style={"better": "green", "worse": "red", "failed": "red"}.get(row.verdict, "dim"),
            ),
        )
    return table


def comparison_table(rows: Sequence[FinalRow]) -> Table:
    """The finalists on validation and test."""
    table = open_table("candidate")
    for header in ("validation", "test", "gain (points)"):
        table.add_column(header, no_wrap=True)
    for row in rows:
        style = "bold green" if row.role == "chosen" else ""
        role = f" ({row.role})" if row.role else ""
        cells = [_bounded(row.validation, False), _bounded(row.test, False), _bounded(row.gain, True)]
        table.add_row(_named(row.name, row.policy, style, role), *(Text(cell, style=style) for cell in cells))
    return table


def _bounded(interval: "Interval | None", difference: bool) -> str:
    """A mean and, on the next line, its 95% interval."""
    if interval is None:
        return "–"
    mean = gain(interval.mean) if difference else percent(interval.mean)
    if interval.low is None or interval.high is None:
        return mean
    if difference:
        return f"{mean}\n[{signed(interval.low)}, {signed(interval.high)}]"
    # With few seeds a t interval may reach below 0%.
    return f"{mean}\n[{100 * interval.low:.1f}, {100 * interval.high:.1f}]".replace("-", "−")


def facts_grid(facts: Sequence[tuple[str, str]]) -> Table:
    """What is said of one thing: a name and a text in each row."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(name, Text(text))
    return grid
