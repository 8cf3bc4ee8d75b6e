"""The plots of the report, for a file or for a page that has its own colours. No layout engine: these take seconds."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluators.report.report import Report
from evaluators.report.sections import Confusion
from tools.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

_NAME = 26
"""Characters of a candidate's name on an axis."""
_TICKS = 12
"""Labels on the axis of iterations, at most."""
_NUMBERED = 12
"""Classes up to which the cells of a confusion matrix are numbered."""


@dataclass(frozen=True)
class Look:
    """The colours of a plot."""

    ink: str
    """Text and axes."""
    muted: str
    """What everything is compared with."""
    accent: str
    """What the plot is about."""
    area: str
    """Bands behind everything."""


PAPER = Look(ink="#222222", muted="#757575", accent="#0b62a4", area="#e6e6e6")


def search_figure(report: Report, look: Look = PAPER) -> "Figure":
    """No augmentation, the baselines and every iteration on validation, each with its spread over seeds.

    The line of the best so far begins at the best of no augmentation and the baselines: an iteration that does not
    beat them is never on it.
    """
    figure, axes = _figure(7.2, 3.5, look)
    simple = [each for each in report.simple if each.mean is not None]
    done = [(i, line) for i, line in enumerate(report.iterations, start=1) if line.mean is not None]
    apart = max(1.0, len(done) / 14)  # room for the names of the baselines
    places = [apart * (i - len(simple)) + apart / 2 for i in range(len(simple))]
    _reference_band(axes, report, look)
    for role, colour, marker in (("reference", look.muted, "D"), ("baseline", look.muted, "s")):
        own = [(x, each) for x, each in zip(places, simple, strict=True) if each.role == role]
        label = "no augmentation" if role == "reference" else "baseline"
        _points(axes, report, [(x, e.mean, e.std, e.name) for x, e in own], colour, marker, label)
    if done:
        points = [(i, line.mean, line.std, line.name) for i, line in done]
        _points(axes, report, points, look.accent, "o", "iteration")
        start = max((each.mean for each in simple if each.mean is not None), default=-1.0)
        scores = (-1.0 if line.mean is None or line.stopped else line.mean for _, line in done)
        best = np.maximum.accumulate([start, *scores])
        x = np.array([places[-1] if simple else 1, *(i for i, _ in done)])
        known = best > -1.0
        axes.step(
            x[known],
            100 * best[known],
            where="post",
            color=look.accent,
            linewidth=1.2,
            alpha=0.6,
            label="best of all so far",
        )
    step = max(1, -(-len(done) // _TICKS))
    ticks = [i for i, _ in done][::step]
    axes.set_xticks([*places, *ticks])
    names = [one_line(each.name, _NAME).replace("_", " ") for each in simple]
    labels = axes.set_xticklabels([*names, *map(str, ticks)], fontsize=8)
    for label in labels[: len(names)]:
        label.set(rotation=28, ha="right", rotation_mode="anchor", fontsize=7.5)
    axes.set_xlabel("before the search  |  iteration" if simple else "iteration")
    axes.set_ylabel(f"validation {report.score} (%)")
    axes.margins(x=0.04)
    if axes.get_legend_handles_labels()[0]:
        legend = axes.legend(
            fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4
        )
        _recolour(legend.get_texts(), look)
    figure.subplots_adjust(left=0.09, right=0.99, top=0.9, bottom=0.26)
    return figure


def _reference_band(axes: "Axes", report: Report, look: Look) -> None:
    reference = next((each for each in report.simple if each.role == "reference"), None)
    if reference is None or reference.mean is None:
        return
    low, high = _limits(report)
    mean, std = 100 * reference.mean, 100 * (reference.std or 0.0)
    if std:
        axes.axhspan(max(low, mean - std), min(high, mean + std), color=look.area, linewidth=0, zorder=0)
    axes.axhline(mean, color=look.muted, linewidth=0.8, zorder=1)


def _points(
    axes: "Axes",
    report: Report,
    points: Sequence[tuple[float, float | None, float | None, str]],
    colour: str,
    marker: str,
    label: str,
) -> None:
    """(x, mean, standard deviation, name) of each, with a bar that ends where a score does."""
    if not points:
        return
    low, high = _limits(report)
    x = np.array([place for place, *_ in points])
    y = 100 * np.array([mean for _, mean, *_ in points], dtype=float)
    spread = 100 * np.array([std or 0.0 for _, _, std, _ in points])
    bars = np.stack([np.minimum(spread, y - low), np.minimum(spread, high - y)])
    axes.errorbar(
        x, y, yerr=bars, fmt=marker, color=colour, capsize=2, markersize=5, linewidth=1, label=f"{label} ± σ"
    )


def _limits(report: Report) -> tuple[float, float]:
    return (-100.0 if report.metric == "kappa" else 0.0), 100.0


def forest_figure(report: Report, look: Look = PAPER) -> "Figure | None":
    """The gains on the test set with their 95% intervals: of all that was tested over no augmentation, and of what is
    recommended over each baseline. None where nothing was tested."""
    over_none = [
        (("★ " if c.recommended else "") + c.name, c.verdict, c.recommended)
        for c in report.comparisons
        if c.verdict is not None
    ]
    over_each = [(each.name, each.verdict, True) for each in report.versus]
    rows = [("over no augmentation", over_none), ("recommended over …", over_each)]
    rows = [(title, found) for title, found in rows if found]
    if not rows:
        return None
    count = sum(len(found) + 1 for _, found in rows)
    figure, axes = _figure(7.2, 0.9 + 0.3 * count, look)
    axes.axvline(0, color=look.ink, linewidth=0.8)
    labels, place = [], 0
    for title, found in rows:
        labels.append((place, title, True))
        for name, verdict, marked in found:
            place -= 1
            both = verdict.over_both
            colour = look.accent if marked else look.muted
            if both.low is not None and both.high is not None:
                axes.plot([100 * both.low, 100 * both.high], [place, place], color=colour, linewidth=2)
            else:
                values = 100 * np.array(verdict.over_seeds.values)
                axes.plot(values, [place] * len(values), "|", color=colour, markersize=9)
            axes.plot([100 * both.mean], [place], "o", color=colour, markersize=6)
            labels.append((place, one_line(name, _NAME + 8), False))
        place -= 1
    axes.set_ylim(place + 0.4, 0.6)
    axes.set_yticks([y for y, *_ in labels])
    for tick, (_, _, head) in zip(
        axes.set_yticklabels([text for _, text, _ in labels], fontsize=8.5), labels, strict=True
    ):
        tick.set_fontweight("bold" if head else "normal")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"gain in test {report.score} (points), 95% interval over seeds and test images")
    figure.subplots_adjust(left=0.33, right=0.98, top=0.99, bottom=0.5 / (0.9 + 0.3 * count))
    return figure


def forecast_figure(report: Report, look: Look = PAPER) -> "Figure | None":
    """What was forecast of each iteration against what came; None with fewer than two forecasts."""
    lines = report.forecasts
    if len(lines) < 2:
        return None
    figure, axes = _figure(4.2, 3.6, look)
    x = 100 * np.array([line.expected for line in lines], dtype=float)
    y = 100 * np.array([line.gain for line in lines], dtype=float)
    low, high = float(min(x.min(), y.min(), 0.0)), float(max(x.max(), y.max(), 0.0))
    room = 0.08 * (high - low) or 1.0
    ends = [low - room, high + room]
    axes.plot(ends, ends, color=look.muted, linewidth=0.8, linestyle="--")
    axes.axhline(0, color=look.muted, linewidth=0.6)
    axes.plot(x, y, "o", color=look.accent, markersize=5)
    for line, at, came in zip(lines, x, y, strict=True):
        axes.annotate(
            str(line.number or line.name),
            (at, came),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=8,
            color=look.ink,
        )
    axes.set_xlim(*ends)
    axes.set_ylim(*ends)
    axes.set_xlabel("forecast gain (points)")
    axes.set_ylabel("measured gain (points)")
    figure.subplots_adjust(left=0.16, right=0.97, top=0.97, bottom=0.15)
    return figure


def confusion_figure(confusion: Confusion, look: Look = PAPER) -> "Figure":
    """Shares of each true class by predicted class; counts in the cells where there are few classes."""
    counts = np.array(confusion.counts, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    size = len(confusion.classes)
    names = [one_line(name, 14) for name in confusion.classes]
    labels = 0.35 + 0.06 * max(map(len, names))
    side = min(6.4, 1.05 + labels + 0.34 * size)
    figure, axes = _figure(side, side, look)
    number = ".0f" if (counts == counts.round()).all() else ".1f"
    for row in range(size):
        for column in range(size):
            share = float(shares[row, column])
            if share > 0.004:
                square = _square(column, row, look.accent, share)
                axes.add_patch(square)
            if size <= _NUMBERED:
                axes.text(
                    column,
                    row,
                    format(counts[row, column], number),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=look.ink,
                )
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    shown = range(0, size, max(1, -(-size // 24)))
    axes.set_xticks(list(shown), [names[i] for i in shown], rotation=90, fontsize=8)
    axes.set_yticks(list(shown), [names[i] for i in shown], fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    margin = labels / side
    figure.subplots_adjust(left=margin, right=0.98, top=0.98, bottom=margin)
    return figure


def _square(x: float, y: float, colour: str, share: float) -> "Rectangle":
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, alpha=0.08 + 0.62 * share, linewidth=0)


def _figure(width: float, height: float, look: Look) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=120)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(look.muted)
    axes.tick_params(colors=look.ink, labelsize=8.5)
    axes.xaxis.label.set_color(look.ink)
    axes.yaxis.label.set_color(look.ink)
    axes.xaxis.label.set_fontsize(9)
    axes.yaxis.label.set_fontsize(9)
    return figure, axes


def _recolour(texts: Sequence[object], look: Look) -> None:
    for text in texts:
        text.set_color(look.ink)  # type: ignore[attr-defined]


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG.

    The font may lack letters of a name: these are drawn as boxes, and the report has them in full.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path)
