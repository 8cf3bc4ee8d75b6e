"""Pictures of what classifiers say: reliability diagrams, confusion matrices, gains by class."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluators.explanation import Calibration, ClassGain
from evaluators.pictures.drawing import REFERENCE, WINNER, new_figure, plain, save, short

MOST_CLASSES = 30
"""Of more classes, confusion matrices and gains are in the JSON alone."""
_MOST_NUMBERS = 12
"""Of more classes, the cells of a confusion matrix show no numbers."""


def draw_reliability(calibrations: Sequence[Calibration], path: Path) -> None:
    """Accuracy over confidence, one panel for each candidate, with the share of images below."""
    figure = new_figure(3.6 * len(calibrations), 4.4)
    panels = figure.subplots(2, len(calibrations), squeeze=False, height_ratios=(3, 1), sharex=True)
    colours = [REFERENCE, *([WINNER] * len(calibrations))]
    for (above, below), each, colour in zip(panels.T, calibrations, colours, strict=False):
        full = [one for one in each.bins if one.count]
        lefts, widths = [one.low for one in full], [one.high - one.low for one in full]
        above.bar(
            lefts, [one.accuracy for one in full], widths, align="edge", color=colour, edgecolor="white"
        )
        above.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
        for one in full:
            above.plot([one.confidence] * 2, [one.accuracy, one.confidence], color="tab:red", linewidth=1.5)
        above.set(xlim=(0, 1), ylim=(0, 1))
        above.set_title(
            f"{short(each.name, 28)}\nECE {100 * each.expected_error:.1f}%, Brier {each.brier:.3f}",
            fontsize=10,
        )
        total = sum(one.count for one in full)
        below.bar(lefts, [100 * one.count / total for one in full], widths, align="edge", color=colour)
        below.set_xlabel("confidence")
        for axes in (above, below):
            plain(axes)
    panels[0, 0].set_ylabel("accuracy (red: gap to the confidence)")
    panels[1, 0].set_ylabel("images (%)")
    save(figure, path)


def draw_confusion(
    confusion: Mapping[str, Sequence[Sequence[int]]], classes: Sequence[str], path: Path
) -> None:
    """A confusion matrix for each candidate, in percent of the true class."""
    count = len(classes)
    side = min(7.0, 2.2 + 0.38 * count)
    figure = new_figure(side * len(confusion), side)
    for axes, (name, table) in zip(
        figure.subplots(1, len(confusion), squeeze=False)[0], confusion.items(), strict=True
    ):
        counts = np.asarray(table, dtype=np.float64)
        shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
        ticks = range(count)
        axes.set_xticks(ticks, [short(label) for label in classes], rotation=60, ha="right", fontsize=8)
        axes.set_yticks(ticks, [short(label) for label in classes], fontsize=8)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(short(name, 28), fontsize=10)
        if count <= _MOST_NUMBERS:
            for row, column in np.ndindex(count, count):
                value = shares[row, column]
                colour = "white" if value > 55 else "black"
                axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=colour)
    save(figure, path)


def draw_class_gains(gains: Sequence[ClassGain], path: Path) -> None:
    """The gain in recall on each class, with its interval; hollow where it has none."""
    figure = new_figure(6.4, 1.4 + 0.3 * len(gains))
    axes = figure.subplots()
    ordered = sorted(gains, key=lambda each: each.gain.mean)
    for place, each in enumerate(ordered):
        mean, low, high = each.gain.mean, each.gain.low, each.gain.high
        axes.plot(100 * mean, place, "o", color=WINNER, fillstyle="none" if low is None else "full")
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [place, place], color=WINNER, linewidth=1.5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(
        range(len(ordered)), [f"{short(each.label, 26)} ({each.images})" for each in ordered], fontsize=9
    )
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    title = "gain in recall over no augmentation (points, 95% interval)"
    if any(each.gain.low is None for each in gains):
        title += "\nhollow: no interval, as all seeds agree, or seeds or images are too few"
    axes.set_xlabel(title, fontsize=9)
    plain(axes)
    save(figure, path)
