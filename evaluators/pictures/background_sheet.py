"""Some images of the background test, in each of its ways."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluators.pictures.drawing import new_figure, save, short

_ROWS = 6


def draw_background_sheet(
    changed: Mapping[str, np.ndarray], labels: np.ndarray, classes: Sequence[str], path: Path
) -> None:
    """One row for each image, one column for each way.

    Args:
        changed: as of `evaluators.robustness.on_backgrounds.changed_images`.
        labels: int (N,).
        classes: names.
        path: PNG to write.
    """
    order = np.argsort(np.arange(len(labels)) % max(1, len(labels) // _ROWS), kind="stable")[:_ROWS]
    figure = new_figure(1.5 * len(changed) + 0.9, 1.5 * len(order) + 0.4)
    panels = figure.subplots(len(order), len(changed), squeeze=False)
    for row, place in enumerate(order):
        for axes, (name, images) in zip(panels[row], changed.items(), strict=True):
            axes.imshow(images[place])
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(name.replace(" of ", "\nof "), fontsize=8)
        panels[row, 0].set_ylabel(short(classes[int(labels[place])]), fontsize=8)
    save(figure, path)
