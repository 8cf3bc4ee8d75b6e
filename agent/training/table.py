"""What `agent train` found, as one table: on the terminal, and as CSV and Markdown in the folder."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import TYPE_CHECKING, Any

from agent.memory.candidate import REFERENCE
from evaluators.noise import Noise, chance_of_gain, pooled_gain, pooled_noise
from evaluators.statistics import Interval, differences_of_metric
from evaluators.wording import gain, likelihood, percent
from tools.files import write_whole
from tools.policy.named import DEFAULT
from tools.text import markdown
from tools.training.metrics import metric_title
from tools.training.recipes import describe_recipe

if TYPE_CHECKING:
    from agent.context import Context
    from agent.memory.history import IterationRecord
    from agent.screen.terminal import Terminal


@dataclass(frozen=True)
class Row:
    """One policy on one data set, model and image size. Scores are 0..1 (kappa -1..1), gains their differences."""

    data: str
    model: str
    size: int
    entry: str
    metric: str
    name: str
    line: str
    """The policy in one line."""
    scores: Mapping[int, float]
    """Seed → the metric on validation."""
    mean: float | None
    std: float | None
    over_none: Interval | None
    """Paired by seed; None for no augmentation itself, and where it was not trained."""
    chance: float | None
    """That the true mean is above that of no augmentation."""
    other: str
    """The default policy, or the first that was given: what `over_other` compares with."""
    over_other: Interval | None
    failures: tuple[str, ...] = ()


def rows_of(
    context: "Context", records: Sequence["IterationRecord"], unmade: Mapping[str, str], cut: str | None
) -> list[Row]:
    """The rows of one entry, in the order of `records`.

    Args:
        context: of the entry.
        records: its candidates, no augmentation first where it was trained.
        unmade: candidate → why its synthetic images could not be made.
        cut: which limit stopped the training, if one did.
    """
    by_name = {record.name: record.scores for record in records}
    noise = pooled_noise(by_name)
    others = [record.name for record in records if record.name != REFERENCE]
    other = DEFAULT if DEFAULT in by_name else next(iter(others), "")
    return [_row(context, record, by_name, noise, other, unmade, cut) for record in records]


def _row(
    context: "Context",
    record: "IterationRecord",
    by_name: Mapping[str, Mapping[int, float]],
    noise: Noise | None,
    other: str,
    unmade: Mapping[str, str],
    cut: str | None,
) -> Row:
    scores, control = record.scores, by_name.get(REFERENCE, {})
    against = record.name != REFERENCE
    values = list(scores.values())
    failures = [f"seed {trial.seed}: {trial.reason}" for trial in record.trials if trial.status == "failed"]
    if record.name in unmade:
        failures = [f"no synthetic images: {unmade[record.name]}"]
    elif not values and not failures and cut:
        failures = [cut]
    limits = differences_of_metric(context.config.search.metric)
    return Row(
        data=context.data.card.name,
        model=context.config.model.title,
        size=context.data.image_size,
        entry=context.study,
        metric=metric_title(context.config.search.metric),
        name=record.name,
        line=record.proposal.in_one_line(),
        scores=scores,
        mean=sum(values) / len(values) if values else None,
        std=stdev(values) if len(values) > 1 else None,
        over_none=pooled_gain(scores, control, noise, limits) if against else None,
        chance=chance_of_gain(scores, control, noise) if against else None,
        other=other,
        over_other=pooled_gain(scores, by_name.get(other, {}), noise, limits)
        if against and record.name != other
        else None,
        failures=tuple(failures),
    )


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """What `--json` says of them; scores 0..1 (kappa -1..1), gains their differences."""

    def bounds(interval: Interval | None) -> dict[str, float | None] | None:
        return (
            None if interval is None else {"mean": interval.mean, "low": interval.low, "high": interval.high}
        )

    return {
        "policies": [
            {
                "study": row.entry,
                "data": row.data,
                "model": row.model,
                "image_size": row.size,
                "metric": row.metric,
                "name": row.name,
                "policy": row.line,
                "validation": row.mean,
                "validation_std": row.std,
                "seeds": {str(seed): score for seed, score in row.scores.items()},
                "gain_over_none": bounds(row.over_none),
                "chance_better_than_none": row.chance,
                "compared_with": row.other or None,
                "gain_over_other": bounds(row.over_other),
                "failures": list(row.failures),
            }
            for row in rows
        ]
    }


def show_rows(rows: Sequence[Row], terminal: "Terminal") -> None:
    """The table at the end of the command."""
    terminal.close()
    headers, cells = _cells(rows)
    terminal.table(headers, cells)
    for row in rows:
        for failure in row.failures:
            terminal.warn(f"{row.name} ({row.entry}): {failure}")


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """(heads, cells): what differs between the entries is named in columns of its own."""
    varying = {
        "data": [row.data for row in rows],
        "model": [row.model for row in rows],
        "size": [f"{row.size} px" for row in rows],
    }
    varying = {head: values for head, values in varying.items() if len(set(values)) > 1}
    metrics, others = dict.fromkeys(row.metric for row in rows), dict.fromkeys(row.other for row in rows)
    heads = ["policy", *varying, f"validation {' / '.join(metrics)}", "over no augmentation", ""]
    several = any(row.over_other for row in rows)
    if several:
        heads.append(f"over {' / '.join(others)}")
    cells = []
    for at, row in enumerate(rows):
        line = [row.name, *(values[at] for values in varying.values()), percent(row.mean, row.std)]
        line += ["", ""] if row.name == REFERENCE else [_points(row.over_none), _chance(row)]
        cells.append([*line, *([_points(row.over_other)] if several else [])])
    return heads, cells


def _points(interval: Interval | None) -> str:
    return "" if interval is None else gain(interval.mean, (interval.low, interval.high))


def _chance(row: Row) -> str:
    return "" if row.chance is None else likelihood(row.chance)


def write_tables(context: "Context", rows: Sequence[Row]) -> list[Path]:
    """Write `report.md` and `report.csv` to the entry's folder; their paths."""
    page, table = context.folder / "report.md", context.folder / "report.csv"
    write_whole(page, _markdown(context, rows).encode())
    write_whole(table, _csv(rows).encode())
    return [page, table]


def _markdown(context: "Context", rows: Sequence[Row]) -> str:
    heads, cells = _cells(rows)
    data, config = context.data, context.config
    seeds = sorted({seed for row in rows for seed in row.scores})
    lines = [
        f"# {markdown(data.card.title)}: given policies for {config.model.title}",
        "",
        f"- data: {markdown(data.card.name)} at {data.image_size} px, fingerprint {data.fingerprint}",
        f"- recipe: {markdown(describe_recipe(context.recipe))}",
        f"- seeds: {', '.join(map(str, seeds)) or 'none finished'}",
        "- gains: mean differences in points, paired by seed, with 95% intervals by the noise of all trials here; "
        "all on validation images. The test set is sealed (agent evaluate opens it).",
        "",
        f"| {' | '.join(heads)} |",
        f"|{' --- |' * len(heads)}",
        *(f"| {' | '.join(markdown(cell) for cell in row)} |" for row in cells),
        "",
        "Policies in one line, as `agent train --policy` reads them:",
        "",
        *(f"- {markdown(row.name)}: `{row.line}`" for row in rows),
    ]
    failed = [f"- {markdown(row.name)}: {markdown(each)}" for row in rows for each in row.failures]
    return "\n".join([*lines, *(["", "Failed:", "", *failed] if failed else [])]) + "\n"


def _csv(rows: Sequence[Row]) -> str:
    """Numbers unrounded; empty where there is none."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    seeds = sorted({seed for row in rows for seed in row.scores})
    heads = ["policy", "line", "data", "model", "image_size", "metric", "mean", "std"]
    for what in ("none", "other"):
        heads += [f"gain_over_{what}", f"gain_over_{what}_low", f"gain_over_{what}_high"]
    writer.writerow([*heads, "other", "chance_over_none", *(f"seed_{seed}" for seed in seeds)])
    for row in rows:
        fixed = [row.name, row.line, row.data, row.model, row.size, row.metric, row.mean, row.std]
        gains = [*_bounds(row.over_none), *_bounds(row.over_other)]
        writer.writerow([*fixed, *gains, row.other, row.chance, *(row.scores.get(seed) for seed in seeds)])
    return stream.getvalue()


def _bounds(interval: Interval | None) -> tuple[float | None, ...]:
    return (None, None, None) if interval is None else (interval.mean, interval.low, interval.high)
