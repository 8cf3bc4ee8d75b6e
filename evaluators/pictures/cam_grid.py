"""Grids of Grad-CAM maps: where two classifiers look, on images that they disagree about (AGA paper, Figure 14)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.pictures.drawing import new_figure, save, short

MOST_ROWS = 6
_OPACITY = 0.45


@dataclass(frozen=True)
class CamRow:
    """One image, and what two classifiers say about it."""

    image: np.ndarray
    """uint8 (S, S, 3)."""
    truth: str
    maps: tuple[np.ndarray, np.ndarray]
    """Of the reference and of the winner: float (S, S), 0 and above, of the class that each predicts."""
    predicted: tuple[str, str]
    confidence: tuple[float, float]


def draw_cam_grid(rows: Sequence[CamRow], names: tuple[str, str], path: Path) -> None:
    """Image, map of the reference, map of the winner; two images side by side.

    Args:
        rows: `MOST_ROWS` at most are drawn.
        names: of the reference and of the winner.
        path: PNG to write.
    """
    shown = list(rows[:MOST_ROWS])
    blocks = 2 if len(shown) > 1 else 1
    lines = -(-len(shown) // blocks)
    figure = new_figure(1.75 * 3 * blocks + 0.3, 2.15 * lines)
    panels = figure.subplots(lines, 3 * blocks, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for number, row in enumerate(shown):
        line, block = divmod(number, blocks)
        image_axes, *map_axes = panels[line, 3 * block : 3 * block + 3]
        image_axes.imshow(row.image)
        image_axes.set_title(f"true: {short(row.truth)}", fontsize=8)
        for axes, name, found, label, sure in zip(
            map_axes, names, row.maps, row.predicted, row.confidence, strict=True
        ):
            axes.imshow(row.image)
            axes.imshow(_scaled(found), cmap="jet", alpha=_OPACITY, vmin=0, vmax=1)
            right = label == row.truth
            text = f"{short(name)}\n{short(label)} {100 * sure:.0f}%"
            axes.set_title(text, fontsize=8, color="tab:green" if right else "tab:red")
    save(figure, path)


def _scaled(found: np.ndarray) -> np.ndarray:
    return found / max(float(found.max()), 1e-12)
