"""What the pictures share: colours, and how a figure is written."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REFERENCE, WINNER = "0.55", "#1f6feb"
"""Grey for no augmentation, the accent for what is recommended."""
_DPI = 130


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, in inches, which lays itself out."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def plain(axes: "Axes") -> None:
    """Without the lines above and at the right."""
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG."""
    with warnings.catch_warnings():
        # The font may lack letters of a name; they are drawn as boxes, and the tables have them in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path)


def short(name: str, most: int = 18) -> str:
    """A name that fits beside a small picture."""
    return name if len(name) <= most else name[: most - 1] + "…"
