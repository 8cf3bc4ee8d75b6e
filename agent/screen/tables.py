"""The tables that a person reads on a terminal: accuracies in percent, gains in points."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from evaluators.wording import gain, likelihood, percent, signed
from tools.policy.named import DEFAULT
from tools.training.metrics import Metric, metric_title

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord
    from evaluators.noise import Noise
    from evaluators.statistics import Interval
    from tools.datasets.types import Split

_CLASSES_SHOWN = 40


@dataclass(frozen=True)
class FinalRow:
    """A line of the final table: scores on validation (search) and test (fresh seeds), and the gains there (0..1)."""

    name: str
    policy: str
    role: str
    validation: "Interval | None"
    test: "Interval | None"
    gain: "Interval | None"
    """Over no augmentation."""
    over_default: "Interval | None" = None


def in_words(record: "IterationRecord", control: "IterationRecord | None", noise: "Noise | None") -> str:
    """How sure it is that a candidate is better than another: 'likely better', 'as likely better as worse'."""
    if control is None or record.name == control.name or record.mean is None or control.mean is None:
        return ""
    from evaluators.noise import chance_of_gain  # imports NumPy

    chance = chance_of_gain(record.scores, control.scores, noise)
    return "" if chance is None else likelihood(chance).partition(" (")[0]


def verdict(record: "IterationRecord", records: Sequence["IterationRecord"]) -> str:
    """How a candidate compares with the default policy, else with no augmentation, in graded words."""
    if record.arm == "reference":
        return "reference"
    if record.stopped:
        return record.stopped
    if record.mean is None:
        return without_score(record)
    default, reference = controls(records)
    noise = noise_of_all(records)
    against_default = in_words(record, default, noise)
    return against_default or in_words(record, reference, noise)


def without_score(record: "IterationRecord") -> str:
    """Why a candidate has no score: the cheap measure left it behind, its trials or images failed, or a limit left no
    room for it."""
    if record.stopped:
        return "cheap only"
    failed = any(trial.status == "failed" for trial in record.trials) or record.generated.startswith("failed")
    return "failed" if failed else "not trained"


def noise_of_all(records: Sequence["IterationRecord"]) -> "Noise | None":
    """The noise of a trial, pooled over all candidates."""
    from evaluators.noise import pooled_noise  # imports NumPy

    return pooled_noise({each.name: each.scores for each in records})


def controls(
    records: Sequence["IterationRecord"],
) -> "tuple[IterationRecord | None, IterationRecord | None]":
    """The default policy and no augmentation, where they are among the records."""
    default = next((each for each in records if each.number == 0 and each.name == DEFAULT), None)
    reference = next((each for each in records if each.arm == "reference"), None)
    return default, reference


def compared(record: "IterationRecord", records: Sequence["IterationRecord"]) -> str:
    """Its gains over the default policy and over no augmentation, each in graded words, for a line of text."""
    if record.mean is None:
        return f", {without_score(record)}"
    parts = []
    default, reference = controls(records)
    noise = noise_of_all(records)
    for control, found, interval, name in (
        (default, record.gain_over_default, record.interval_over_default, "the default"),
        (reference, record.gain, record.gain_interval, "no augmentation"),
    ):
        if found is not None and record is not control:
            words = in_words(record, control, noise)
            parts.append(f"{gain(found, interval)} points over {name}" + (f" ({words})" if words else ""))
    return "".join(f", {part}" for part in parts)


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


def iterations_table(records: Sequence["IterationRecord"], metric: Metric = "accuracy") -> Table:
    """All candidates so far, the best iteration marked; gains with how sure they are."""
    default, reference = controls(records)
    noise = noise_of_all(records)
    table = open_table("candidate")
    table.add_column(f"validation\n{metric_title(metric)}", no_wrap=True)
    for header in ("over default\n(points)", "over none\n(points)")[0 if default else 1 :]:
        table.add_column(header, overflow="fold")
    from agent.memory.ranking import best_iteration, measure_of  # imports NumPy

    leader = best_iteration(records)
    if leader:
        by = "" if measure_of(records) == "metric" else f", by {metric_title(metric)} and log loss together"
        table.caption, table.caption_justify = Text(f"★ the best iteration so far{by}", style="dim"), "left"
    for record in records:
        best = record is leader
        style = "bold green" if best else ""
        over_default = _graded(
            record.gain_over_default, record.interval_over_default, in_words(record, default, noise)
        )
        over_none = _graded(record.gain, record.gain_interval, in_words(record, reference, noise))
        if record.arm == "reference":
            over_none = Text("reference", style="dim")
        elif record.mean is None:
            over_default = over_none = Text(without_score(record), style="red")
        elif record is default:
            over_default = Text("default", style="dim")
        table.add_row(
            _named(record.name, record.proposal.in_one_line(), style, _note_of(record, best)),
            Text(percent(record.mean, record.std), style=style),
            *([over_default] if default else []),
            over_none,
        )
    return table


def _note_of(record: "IterationRecord", best: bool) -> str:
    """What stands behind its name."""
    return " ★" if best else " (left behind)" if record.stopped else ""


def _graded(found: float | None, interval: tuple[float, float] | None, words: str) -> Text:
    """A gain and, on the next line, how sure it is."""
    colour = {"better": "green", "worse": "red"}.get(
        words.rpartition(" ")[2] if " as " not in words else "", "dim"
    )
    return Text(gain(found, interval)).append(f"\n{words}" if words else "", style=colour)


def comparison_table(rows: Sequence[FinalRow], metric: Metric = "accuracy") -> Table:
    """What was compared, on validation under the seeds of the choice, and on the test under fresh ones."""
    table = open_table("candidate")
    default = any(row.over_default for row in rows)
    headers = [
        f"validation\n{metric_title(metric)}\n(search)",
        f"test\n{metric_title(metric)}\n(fresh seeds)",
    ]
    headers += ["gain on test\nover default\n(points)"] if default else []
    for header in (*headers, "gain on test\nover none\n(points)"):
        table.add_column(header, no_wrap=True)
    for row in rows:
        style = "bold green" if row.role == "recommended" else ""
        role = f" ({row.role})" if row.role else ""
        cells = [_bounded(row.validation, False), _bounded(row.test, False)]
        cells += [_bounded(row.over_default, True)] if default else []
        cells.append(_bounded(row.gain, True))
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


def class_table(
    counts: Mapping["Split", Mapping[str, int]], sizes: Mapping["Split", int] | None = None
) -> Table:
    """Images by class (down) and split (across); of many classes, the first 40 and a line for the rest.

    `sizes`, the images of each split, are given where an image may have several labels: these do not add up to it.
    """
    table = open_table("class" if sizes is None else "label")
    for split in counts:
        table.add_column(split, justify="right")

    def add(name: str, classes: Sequence[str], style: str = "") -> None:
        sums = (sum(images[each] for each in classes) for images in counts.values())
        table.add_row(Text(name, style=style), *(Text(f"{total:,}", style=style) for total in sums))

    classes = list(next(iter(counts.values()), {}))
    for name in classes[:_CLASSES_SHOWN]:
        add(name, [name])
    if rest := classes[_CLASSES_SHOWN:]:
        add(f"… {len(rest)} more classes", rest) if sizes is None else table.add_row(
            f"… {len(rest)} more labels"
        )
    if sizes is None:
        add("all", classes, "bold")
    else:
        table.add_row(Text("all images", "bold"), *(Text(f"{sizes[split]:,}", "bold") for split in counts))
    return table
