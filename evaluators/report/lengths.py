"""The part of the report that says how long the study trains, and its plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class LengthLine:
    """One arm at one length."""

    arm: str
    epochs: int
    steps: int
    score: float
    loss: float


@dataclass(frozen=True)
class LengthSection:
    """What the phase `length` has found."""

    sentence: str
    measure: str
    """The study's metric, in words."""
    default: str
    """The default policy, in one line."""
    seeds: int
    lines: Sequence[LengthLine]
    cost: str
    """What it took, and why no further length was tried."""
    plot: str = ""
    """File name of the plot, beside the report; empty where there is none."""


def plot_lengths(section: LengthSection, path: Path, epochs: int, reference: int) -> None:
    """Plot the validation loss of each arm by length, and mark the lengths that are trained.

    Args:
        section: for its lines.
        path: PNG to write.
        epochs: the study's length.
        reference: no augmentation's own.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator, ScalarFormatter

    figure = Figure(figsize=(7, 3.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    chosen = {"no augmentation": reference, "default": epochs}
    losses = {(line.arm, line.epochs): line.loss for line in section.lines}
    for arm, colour in (("no augmentation", "0.5"), ("default", "tab:blue")):
        lines = sorted((line for line in section.lines if line.arm == arm), key=lambda line: line.epochs)
        axes.plot(
            [line.epochs for line in lines], [line.loss for line in lines], "o-", color=colour, label=arm
        )
        for line in lines:
            score = f"{100 * line.score:.1f}"
            other = losses.get(("default" if arm == "no augmentation" else "no augmentation", line.epochs))
            below = other is not None and (line.loss, arm) < (other, "default")
            axes.annotate(
                score,
                (line.epochs, line.loss),
                xytext=(0, -14 if below else 8),
                textcoords="offset points",
                fontsize=7,
                ha="center",
                color=colour,
            )
            if line.epochs == chosen[arm]:
                axes.plot([line.epochs], [line.loss], "o", markersize=12, fillstyle="none", color=colour)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sorted({line.epochs for line in section.lines}))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.margins(y=0.2)
    axes.set_xlabel("epochs (a ring: the length that is trained)")
    axes.set_ylabel("validation loss")
    axes.set_title(f"Length of training; beside each point: {section.measure} (%)", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
