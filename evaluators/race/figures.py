"""The figures of a race: what each arm gains on the test set, and how its searches got there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluators.race.page import CURVES, FOREST
from evaluators.race.result import ArmResult, RaceResult, curve
from evaluators.report.plots import PAPER
from tools.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAME = 38
"""Characters of an arm's name on an axis."""


def write_figures(result: RaceResult, folder: Path) -> list[Path]:
    """Write the figures to `folder`, each as PNG and SVG; their paths."""
    figures = {FOREST: forest(result)}
    if any(arm.searches for arm in result.arms):
        figures[CURVES] = curves(result)
    written = []
    import matplotlib

    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            written.append(folder / f"{name}.{suffix}")
            with matplotlib.rc_context({"svg.hashsalt": name}):
                figure.savefig(written[-1], metadata={"Date": None} if suffix == "svg" else None)
    return written


def forest(result: RaceResult) -> "Figure":
    """Gain over the default policy on the test set, with the 95% interval over seeds and images, and each seed."""
    from matplotlib.figure import Figure

    arms = [arm for arm in result.arms if arm.over_default is not None]
    figure = Figure(figsize=(7.2, 1.1 + 0.36 * max(1, len(arms))), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=PAPER.muted, linewidth=1)
    for place, arm in enumerate(reversed(arms)):
        _arm_line(axes, place, arm)
    axes.set_yticks(range(len(arms)), [short_name(arm.name) for arm in reversed(arms)], fontsize=8.5)
    axes.set_ylim(-0.6, max(1, len(arms)) - 0.4)
    axes.set_xlabel(
        f"points of test {result.measure} over the default policy: mean, 95% interval, seeds", fontsize=9
    )
    tidy(axes)
    return figure


def short_name(name: str) -> str:
    """Of an arm, for an axis or a legend."""
    text = one_line(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"


def _arm_line(axes: "Axes", place: int, arm: ArmResult) -> None:
    contrast = arm.over_default
    assert contrast is not None
    both = contrast.verdict.over_both
    colour = PAPER.muted if contrast.kind == "not shown" else PAPER.accent
    values = 100 * np.array(contrast.verdict.over_seeds.values)
    axes.plot(values, np.full(len(values), place - 0.17), "|", color=PAPER.ink, markersize=6, alpha=0.6)
    if both.low is not None and both.high is not None:
        axes.plot([100 * both.low, 100 * both.high], [place, place], color=colour, linewidth=2.2)
    axes.plot([100 * both.mean], [place], "o", color=colour, markersize=6)


def curves(result: RaceResult) -> "Figure":
    """The best gain on validation so far, against trainings and against training images; bands over repeats."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.6, 3.6), dpi=120, layout="constrained")
    by_trials, by_images = figure.subplots(1, 2, sharey=True)
    import matplotlib

    colours = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    searching = [arm for arm in result.arms if arm.searches]
    for number, arm in enumerate(searching):
        found = [curve(search.steps) for search in arm.searches if search.steps]
        style = {"color": colours[number % 10], "label": short_name(arm.name)}
        for axes, which in ((by_trials, 0), (by_images, 1)):
            _curve(axes, [(each[which], each[2]) for each in found], style)
    by_trials.set_xlabel("trainings, the default policy's first", fontsize=9)
    by_images.set_xlabel("training images shown", fontsize=9)
    by_trials.set_ylabel(
        f"best so far on validation:\npoints of {result.measure} over the default", fontsize=9
    )
    by_trials.legend(fontsize=8, frameon=False, loc="upper left")
    for axes in (by_trials, by_images):
        axes.axhline(0, color=PAPER.muted, linewidth=1)
        tidy(axes)
    return figure


def _curve(axes: "Axes", found: Sequence[tuple[np.ndarray, np.ndarray]], style: dict) -> None:
    """The mean over repeats, and between the lowest and the highest."""
    if not found:
        return
    places = np.unique(np.concatenate([x for x, _ in found]))
    places = places[places >= max(x[0] for x, _ in found)]
    values = np.stack([y[np.searchsorted(x, places, side="right") - 1] for x, y in found])
    axes.step(places, values.mean(axis=0), where="post", linewidth=1.8, **style)
    if len(found) > 1:
        axes.fill_between(
            places,
            values.min(axis=0),
            values.max(axis=0),
            step="post",
            color=style["color"],
            alpha=0.15,
            linewidth=0,
        )


def tidy(axes: "Axes") -> None:
    """Without the lines above and on the right, and with small numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
