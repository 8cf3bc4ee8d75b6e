"""The curves of arms on a table: the best so far on the test, against trainings and against training images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.race.figures import short_name, tidy
from evaluators.race.table_result import ArmCurve, TableRace
from evaluators.report.plots import PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


def write_table_figure(race: TableRace, file: Path, title: str = "") -> None:
    """Write the curves to `file`, in the format of its suffix, one of `SUFFIXES`."""
    import matplotlib

    figure = table_figure(race, title)
    file.parent.mkdir(parents=True, exist_ok=True)
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"svg.hashsalt": "table"}):
        figure.savefig(file, metadata=dates.get(file.suffix.removeprefix(".")))


def table_figure(race: TableRace, title: str = "") -> "Figure":
    """Means over the repeats as steps, with bands from 5% to 95%; the lines that an arm must stay above."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 4.0), dpi=120, layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    colours = matplotlib.colormaps["tab10"].colors  # type: ignore[attr-defined]
    for number, (name, arm) in enumerate(race.arms.items()):
        for axes, curve in zip(panels, (arm.by_trainings, arm.by_cost), strict=True):
            _draw(axes, curve, short_name(name), colours[number % 10])
    for axes, label in zip(
        panels, ("trainings of any length", "training images, in full trainings"), strict=True
    ):
        axes.axhline(0, color=PAPER.muted, linewidth=1)
        axes.set_xlabel(label, fontsize=9)
        tidy(axes)
    panels[0].set_ylabel("best so far by validation:\npoints of test accuracy over the default", fontsize=9)
    figure.legend(
        *panels[0].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside right upper"
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _draw(axes: "Axes", curve: ArmCurve, name: str, colour: object) -> None:
    axes.step(curve.at, curve.mean, where="post", linewidth=1.8, color=colour, label=name)  # type: ignore[arg-type]
    axes.fill_between(
        curve.at,  # type: ignore[arg-type]
        curve.q05,  # type: ignore[arg-type]
        curve.q95,  # type: ignore[arg-type]
        step="post",
        color=colour,  # type: ignore[arg-type]
        alpha=0.1,
        linewidth=0,
    )
