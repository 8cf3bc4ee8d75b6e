"""The map of last-layer features, real and synthetic images by class, and how dense the clusters are (Figure 15)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evaluators.explanation import Features
from evaluators.features import Clusters, clusters_of, in_the_plane
from evaluators.pictures.drawing import REFERENCE, WINNER, new_figure, plain, save, short

FEWEST = 10
"""With fewer images there is no map."""
_MOST_CLASSES = 10
"""Those with the most images are drawn."""


def draw_feature_map(
    of: str,
    features: np.ndarray,
    labels: np.ndarray,
    synthetic: np.ndarray,
    classes: Sequence[str],
    path: Path,
    seed: int = 0,
) -> Features:
    """Draw the map and the density of the clusters; what the figures say.

    Args:
        of: name of the candidate whose classifier it is.
        features: float (N, D), at least `FEWEST`.
        labels: int (N,).
        synthetic: bool (N,), whether an image is synthetic.
        classes: names.
        path: PNG to write.
        seed: of the map.
    """
    counts = np.bincount(labels[~synthetic], minlength=len(classes))
    shown = np.argsort(-counts, kind="stable")[:_MOST_CLASSES]
    kept = np.isin(labels, shown)
    features, labels, synthetic = features[kept], labels[kept], synthetic[kept]
    places, method = in_the_plane(features, seed)
    real = clusters_of(features[~synthetic], labels[~synthetic])
    both = clusters_of(features, labels) if synthetic.any() else None
    figure = new_figure(9.4 if both else 6.4, 4.6)
    panels = figure.subplots(1, 2 if both else 1, squeeze=False, width_ratios=(3, 1) if both else None)[0]
    _draw_places(panels[0], places, labels, synthetic, shown, classes)
    panels[0].set_title(f"last-layer features of {short(of, 28)}, in the plane by {method}", fontsize=10)
    if both:
        _draw_density(panels[1], real, both)
    save(figure, path)
    return Features(
        method=method,
        of=of,
        real=int((~synthetic).sum()),
        synthetic=int(synthetic.sum()),
        spread_real=real.spread,
        spread_both=both.spread if both else None,
        apart_real=real.apart,
        apart_both=both.apart if both else None,
    )


def _draw_places(axes, places, labels, synthetic, shown, classes) -> None:
    from matplotlib import colormaps

    colours = colormaps["tab10"]
    for number, label in enumerate(sorted(shown)):
        for kind, marker, size in ((False, "o", 14), (True, "x", 18)):
            some = places[(labels == label) & (synthetic == kind)]
            if len(some):
                name = f"{short(classes[label])}{', synthetic' if kind else ''}"
                style = {} if kind else {"edgecolors": "none"}
                axes.scatter(
                    *some.T, s=size, marker=marker, color=colours(number), alpha=0.75, label=name, **style
                )
    axes.set(xticks=[], yticks=[])
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _draw_density(axes, real: Clusters, both: Clusters) -> None:
    names = ("spread of\na class", "distance of\nclasses")
    values = ((1.0, 1.0), (both.spread * both.apart / (real.spread * real.apart), both.apart / real.apart))
    for offset, heights, colour, label in (
        (-0.2, values[0], REFERENCE, "real"),
        (0.2, values[1], WINNER, "with synthetic"),
    ):
        axes.bar([place + offset for place in range(2)], heights, 0.38, color=colour, label=label)
    axes.set_xticks(range(2), names, fontsize=8)
    axes.set_ylabel("relative to real images alone")
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    axes.set_title("density of the clusters", fontsize=10)
    plain(axes)
