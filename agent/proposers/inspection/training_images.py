"""The training images in numbers and as a picture: what comes with the task, and the tool `describe_dataset`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.memory.history import History
from agent.proposers.inspection import MOST_CLASSES, SHEET_SIDE, encoded
from prompts import render
from tools.datasets.label_sets import members_of
from tools.sheet import SheetRow, draw_sheet

if TYPE_CHECKING:
    from tools.datasets.cache.read import SplitView

MEASURED_IMAGES = 512
_LABEL = 110
_GAP, _MARGIN, _TITLE = 6, 16, 60
_TILE, _LARGE_TILE = 112, 168
"""Pixels of an image on the sheet: of small ones, and of those with more to see than `_TILE` shows."""
_GREY = 2.0
"""Grey levels by which the channels of a grey image may differ (by JPEG)."""
_UNIFORM_BORDER = 12.0
"""Standard deviation in grey levels below which a border counts as uniform."""


@dataclass(frozen=True)
class ClassMeasures:
    """Of the measured images of one class; grey levels 0 to 255."""

    name: str
    images: int
    """Of its training images in all."""
    brightness: float
    contrast: float
    colour: float
    """Mean difference of the largest and the smallest channel."""
    sharpness: float
    """Variance of the Laplacian."""


def describe(history: History, view: "SplitView", classes: Sequence[str] = ()) -> str:
    """The training images in numbers.

    Args:
        history: of the study.
        view: the images that may be looked at.
        classes: of which classes, by name; none for all of them.
    """
    labels = np.asarray(view.labels)
    wanted = [members_of(labels, history.card.classes.index(name)) for name in classes]
    at = np.unique(np.concatenate(wanted)) if wanted else np.arange(len(labels))
    at = at[:: max(1, -(-len(at) // MEASURED_IMAGES))]
    images, labels = np.asarray(view.images[at]), labels[at]
    measured = _classes(history, images, labels, classes)
    return render(
        "dataset",
        title=history.card.title,
        chosen=list(classes),
        training_images=history.training_images,
        image_size=history.image_size,
        sampled=len(images),
        classes=measured[:MOST_CLASSES],
        more=len(measured) - MOST_CLASSES,
        several_labels=history.card.several_labels,
        **measure(images),
    )


def _classes(
    history: History, images: np.ndarray, labels: np.ndarray, chosen: Sequence[str]
) -> list[ClassMeasures]:
    return [
        ClassMeasures(name, history.class_counts.get(name, 0), *look(images[members]))
        for label, name in enumerate(history.card.classes)
        if (not chosen or name in chosen) and len(members := members_of(labels, label))
    ]


def look(images: np.ndarray) -> tuple[float, float, float, float]:
    """Brightness, contrast, colour and sharpness of uint8 images (N, S, S, 3), N at least 1; see `ClassMeasures`."""
    values = images.astype(np.float32)
    grey = values.mean(axis=3)
    inner = grey[:, 1:-1, 1:-1]
    edges = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:] - 4 * inner
    return (
        float(grey.mean()),
        float(grey.std(axis=(1, 2)).mean()),
        float(np.ptp(values, axis=3).mean()),
        float(edges.var(axis=(1, 2)).mean()) if edges.size else 0.0,
    )


def examples(view: "SplitView", classes: int, count: int, seed: int) -> np.ndarray:
    """Places of up to `count` images, int64, each class in turn, then sorted by class; the same for the same seed."""
    labels = np.asarray(view.labels)
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = [order[members_of(labels[order], label)] for label in range(classes)]
    turns = range(max((len(members) for members in by_class), default=0))
    chosen = [int(members[turn]) for turn in turns for members in by_class if turn < len(members)]
    chosen = list(dict.fromkeys(chosen))  # an image with several labels comes once
    return np.asarray(sorted(chosen[:count], key=lambda index: labels[index].tolist()), dtype=np.int64)


def example_sheet(history: History, view: "SplitView", classes: Sequence[str] = ()) -> tuple[str, str]:
    """(a PNG in base64 of training images by class, what it shows in a sentence).

    A row or two for each class; with more classes than there are rows, one image of each of as many as there is room
    for.
    """
    names = list(classes) or list(history.card.classes)
    tile = _TILE if history.image_size <= _TILE else _LARGE_TILE
    rows = (SHEET_SIDE - _TITLE) // (tile + _GAP)
    columns = (SHEET_SIDE - 2 * _MARGIN - _LABEL + _GAP) // (tile + _GAP)
    drawn, text = (
        _by_class(history, view, names, rows, columns)
        if len(names) <= rows
        else _one_of_each(history, view, names, rows, (SHEET_SIDE - 2 * _MARGIN) // (tile + _GAP))
    )
    label_width = _LABEL if len(names) <= rows else 0
    return encoded(draw_sheet("training images", drawn, tile, label_width=label_width)), text


def _by_class(
    history: History, view: "SplitView", names: Sequence[str], rows: int, columns: int
) -> tuple[list[SheetRow], str]:
    each = max(1, min(2, rows // len(names)))
    drawn = []
    for name in names:
        chosen = _some_of(history, view, name, each * columns)
        drawn += [
            SheetRow(list(np.asarray(view.images[chosen[start : start + columns]])), name)
            for start in range(0, len(chosen), columns)
        ]
    return drawn, "training images without augmentation, the class at the left"


def _one_of_each(
    history: History, view: "SplitView", names: Sequence[str], rows: int, columns: int
) -> tuple[list[SheetRow], str]:
    rows = max(1, rows - rows // 6)  # the captions take room
    spread = np.linspace(0, len(names) - 1, min(len(names), rows * columns)).astype(int)
    shown = [names[int(at)] for at in spread]
    tiles = [(name, at) for name in shown for at in _some_of(history, view, name, 1)]
    drawn = [
        SheetRow(
            [np.asarray(view.images[at]) for _, at in tiles[start : start + columns]],
            captions=[[name] for name, _ in tiles[start : start + columns]],
        )
        for start in range(0, len(tiles), columns)
    ]
    left = len(names) - len(shown)
    return drawn, (
        "a training image of each class, without augmentation, with its class beneath"
        + (f" ({left} further classes are not shown)" if left else "")
    )


def _some_of(history: History, view: "SplitView", name: str, count: int) -> np.ndarray:
    label = history.card.classes.index(name)
    members = members_of(view.labels, label)
    return np.sort(np.random.default_rng([history.seed, label]).permutation(members)[:count])


def measure(images: np.ndarray) -> dict[str, Any]:
    """Statistics of uint8 images (N, S, S, 3) for the template `dataset`, in grey levels 0..255."""
    values = images.astype(np.float32)
    grey = values.mean(axis=3)
    brightness = grey.mean(axis=(1, 2))
    colour = np.ptp(values, axis=3).mean(axis=(1, 2))
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    uniform = border.std(axis=1) < _UNIFORM_BORDER
    return {
        "channel_means": [float(mean) for mean in values.mean(axis=(0, 1, 2))],
        "contrast": float(grey.std(axis=(1, 2)).mean()),
        "brightness_spread": float(brightness.std()),
        "grey": bool(colour.max() < _GREY),
        "colour_spread": float(colour.std()),
        "uniform_border": bool(uniform.mean() > 0.5),
        "border_level": float(np.median(border[uniform])) if uniform.any() else 0.0,
        "mirror_horizontal": _mean_correlation(grey, grey[:, :, ::-1]),
        "mirror_vertical": _mean_correlation(grey, grey[:, ::-1, :]),
    }


def _mean_correlation(images: np.ndarray, others: np.ndarray) -> float:
    """Mean correlation of pixels between images (N, S, S) and `others`; 1 for constant images."""
    first = images - images.mean(axis=(1, 2), keepdims=True)
    second = others - others.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((first**2).sum(axis=(1, 2)) * (second**2).sum(axis=(1, 2)))
    product = (first * second).sum(axis=(1, 2))
    return float(np.where(norm > 0, product / np.where(norm > 0, norm, 1), 1.0).mean())
