"""Loss and accuracy by epoch, the epoch of the highest validation accuracy marked (AGA paper, Figure 10)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evaluators.pictures.drawing import new_figure, save, short
from tools.training.types import EpochReport

if TYPE_CHECKING:
    from matplotlib.lines import Line2D


def draw_learning_curves(curves: Mapping[str, Sequence[Sequence[EpochReport]]], path: Path) -> None:
    """One panel for each candidate, means over its seeds.

    Args:
        curves: candidate → the epochs of each of its seeds; each of equal length, at least one.
        path: PNG to write.
    """
    figure = new_figure(4.6 * len(curves), 3.8)
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    highest = max(
        _mean(seeds, field).max() for seeds in curves.values() for field in ("train_loss", "validation_loss")
    )
    lines: list[Line2D] = []
    for axes, (name, seeds) in zip(panels, curves.items(), strict=True):
        accuracy = _mean(seeds, "validation_accuracy")
        epochs = np.arange(1, len(accuracy) + 1)
        axes.plot(epochs, _mean(seeds, "train_loss"), color="tab:orange", label="training loss")
        axes.plot(epochs, _mean(seeds, "validation_loss"), color="tab:blue", label="validation loss")
        axes.set(xlabel="epoch", ylim=(0, 1.05 * highest))
        best = int(accuracy.argmax())
        axes.axvline(best + 1, color="tab:red", linestyle="--", linewidth=1)
        counted = "one seed" if len(seeds) == 1 else f"{len(seeds)} seeds"
        axes.set_title(
            f"{short(name, 28)}, {counted}: best {100 * accuracy[best]:.1f}% at epoch {best + 1}", fontsize=9
        )
        right = axes.twinx()
        right.plot(epochs, 100 * accuracy, color="tab:green", label="validation accuracy")
        right.set_ylim(0, 100)
        right.spines["top"].set_visible(False)
        axes.spines["top"].set_visible(False)
        if axes is panels[-1]:
            right.set_ylabel("accuracy (%)")
        lines = [*axes.get_lines()[:2], *right.get_lines()]
    panels[0].set_ylabel("loss (nats)")
    labels = [str(each.get_label()) for each in lines]
    figure.legend(lines, labels, loc="outside lower center", ncols=len(lines), fontsize=8, frameon=False)
    save(figure, path)


def _mean(seeds: Sequence[Sequence[EpochReport]], field: str) -> np.ndarray:
    """Of one field over the seeds, by epoch, as far as all of them went."""
    length = min(len(each) for each in seeds)
    return np.mean([[getattr(epoch, field) for epoch in each[:length]] for each in seeds], axis=0)
