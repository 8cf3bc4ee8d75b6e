"""The tables that a person reads on a terminal: accuracies in percent, gains in points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluators.wording import gain, percent, signed

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord
    from evaluators.statistics import Interval
    from tools.datasets.types import Split

_CLASSES_SHOWN = 40


@dataclass(frozen=True)
class FinalRow:
    """A line of the final table: accuracy on validation (search) and test (fresh seeds), and the gain there (0..1)."""

    name: str
    policy: str
    role: str
    validation: "Interval | None"
    test: "Interval | None"
    gain: "Interval | None"


def verdict(record: "IterationRecord") -> str:
    """How a candidate compares with the reference, in a word or two; empty if it has no gain yet."""
    if record.arm == "reference":
        return "reference"
    if record.mean is None:
        return "failed"
    if record.within_noise is None:
        return ""
    if record.within_noise:
        return "within noise"
    return "better" if (record.gain or 0.0) > 0 else "worse"


def open_table(*headers: str) -> Table:
    """A table without lines, to which rows are added."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _named(name: str, policy: str, style: str, note: str = "") -> Group:
    """A candidate and, below it, its policy, which may be long."""
    head = Text(name + note, style=style)
    return (
        Group(head) if policy in ("", name) else Group(head, Padding(Text(policy, style="dim"), (0, 0, 0, 2)))
    )


def iterations_table(records: Sequence["IterationRecord"]) -> Table:
    """All candidates so far, the best iteration marked."""
    table = open_table("candidate")
    for header in ("validation", "gain (points)", "verdict"):
        table.add_column(header, no_wrap=True)
    found = [record.mean for record in records if record.number and record.mean is not None]
    if found:
        table.caption, table.caption_justify = Text("★ the best iteration so far", style="dim"), "left"
    for record in records:
        best = bool(record.number) and record.mean is not None and record.mean == max(found)
        style, word = "bold green" if best else "", verdict(record)
        table.add_row(
            _named(record.name, record.proposal.in_one_line(), style, " ★" if best else ""),
            Text(percent(record.mean, record.std), style=style),
            Text(gain(record.gain, record.gain_interval)),
            Text(word, style={"better": "green", "worse": "red", "failed": "red"}.get(word, "dim")),
        )
    return table


def comparison_table(rows: Sequence[FinalRow]) -> Table:
    """The finalists on validation, under the seeds that they were chosen by, and on the test, under fresh ones."""
    table = open_table("candidate")
    for header in ("validation\n(search)", "test\n(fresh seeds)", "gain on test\n(points)"):
        table.add_column(header, no_wrap=True)
    for row in rows:
        style = "bold green" if row.role == "chosen" else ""
        role = f" ({row.role})" if row.role else ""
        cells = [_bounded(row.validation, False), _bounded(row.test, False), _bounded(row.gain, True)]
        table.add_row(_named(row.name, row.policy, style, role), *(Text(cell, style=style) for cell in cells))
    return table


_VALUES_SHOWN = 3
"""Of the values that stand in for an interval."""


def _bounded(interval: "Interval | None", difference: bool) -> str:
    """A mean and, on the next line, its 95% interval; the values where there is none."""
    if interval is None:
        return "–"

    def word(value: float) -> str:
        return signed(value) if difference else f"{100 * value:.1f}"

    mean = gain(interval.mean) if difference else percent(interval.mean)
    if interval.low is not None and interval.high is not None:
        return f"{mean}\n[{word(interval.low)}, {word(interval.high)}]"
    if len(interval.values) < 2:
        return mean
    more = ", …" if len(interval.values) > _VALUES_SHOWN else ""
    return f"{mean}\n({', '.join(map(word, interval.values[:_VALUES_SHOWN]))}{more})"


def facts_grid(facts: Sequence[tuple[str, str]]) -> Table:
    """Facts about one thing: a name and a text in each row."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        grid.add_row(name, Text(text))
    return grid


def marked_grid(rows: Iterable[tuple[tuple[str, str], str, Text]]) -> Table:
    """Results of checks: (mark, its style), name and description in each row."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for (mark, style), name, description in rows:
        grid.add_row(Text(mark, style=style), Text(name), description)
    return grid


def class_table(counts: Mapping["Split", Mapping[str, int]]) -> Table:
    """Images by class (down) and split (across); of many classes, the first 40 and a line for the rest."""
    table = open_table("class")
    for split in counts:
        table.add_column(split, justify="right")

    def add(name: str, classes: Sequence[str], style: str = "") -> None:
        sums = (sum(images[each] for each in classes) for images in counts.values())
        table.add_row(Text(name, style=style), *(Text(f"{total:,}", style=style) for total in sums))

    classes = list(next(iter(counts.values()), {}))
    for name in classes[:_CLASSES_SHOWN]:
        add(name, [name])
    if rest := classes[_CLASSES_SHOWN:]:
        add(f"… {len(rest)} more classes", rest)
    add("all", classes, "bold")
    return table
