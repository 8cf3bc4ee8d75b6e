"""The tool `show_errors`: which training images a classifier misclassifies that was trained without them.

By confusion pair, with what sets misclassified images apart from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.memory.history import History
from agent.memory.look_ups import HeldOut
from agent.proposers.inspection import ToolResult, encoded
from agent.proposers.inspection.training_images import look
from prompts import render
from tools.sheet import SheetRow, draw_sheet

if TYPE_CHECKING:
    from tools.datasets.cache.read import SplitView

MOST_PAIRS = 5
_LABEL, _TILE, _COLUMNS = 130, 112, 5
_MEASURED = 256
"""Images, at most, by which those that are classified correctly are measured."""


@dataclass(frozen=True)
class Look:
    """Mean brightness, contrast, colour and sharpness of some images (`training_images.look`)."""

    brightness: float
    contrast: float
    colour: float
    sharpness: float


@dataclass(frozen=True)
class ErrorPair:
    """Images of one class taken for another."""

    true: str
    predicted: str
    places: np.ndarray
    """Of the images, the most confident error first."""
    images_of_class: int
    """Images of the true class that were left out of training."""
    confidence: float
    """Mean probability of the wrong class."""
    wrong: Look
    right: Look | None
    """Images of the true class that are classified correctly; None where there is none."""

    @property
    def count(self) -> int:
        """Images."""
        return len(self.places)


def show(history: History, held: HeldOut, classes: Sequence[str], vision: bool) -> ToolResult:
    """The errors in words and numbers, and as a picture for a model that sees.

    Args:
        history: of the study.
        held: the images, and what the classifier says of them.
        classes: of which true classes, by name; none for all.
        vision: whether to make a picture.
    """
    pairs = error_pairs(held, history.card.classes, classes)
    labels = np.asarray(held.predictions.labels)
    wrong = int((held.predictions.probabilities.argmax(axis=1) != labels).sum())
    values = {
        "images": len(labels),
        "trained_on": held.trained_on,
        "wrong": wrong,
        "chosen": list(classes),
        "pairs": pairs[:MOST_PAIRS],
        "more": max(0, len(pairs) - MOST_PAIRS),
    }
    text = render("errors", picture=False, **values)
    if not (vision and pairs):
        return ToolResult(text)
    sheet = _sheet(held.view, pairs[:MOST_PAIRS], held)
    return ToolResult(render("errors", picture=True, **values), sheet, text)


def error_pairs(held: HeldOut, names: tuple[str, ...], classes: Sequence[str] = ()) -> list[ErrorPair]:
    """The pairs of classes with errors, the most frequent first; those whose true class is in `classes`, if given."""
    probabilities, labels = held.predictions.probabilities, np.asarray(held.predictions.labels)
    predicted = probabilities.argmax(axis=1)
    found = []
    for true, name in enumerate(names):
        members = np.flatnonzero(labels == true)
        if (classes and name not in classes) or not len(members):
            continue
        right = members[predicted[members] == true]
        for other in np.unique(predicted[members]):
            if other == true:
                continue
            wrong = members[predicted[members] == other]
            sure = probabilities[wrong, other]
            ranked = wrong[np.argsort(-sure, kind="stable")]
            found.append(
                ErrorPair(
                    name,
                    names[int(other)],
                    ranked,
                    len(members),
                    float(sure.mean()),
                    look_of(held.view, ranked),
                    look_of(held.view, right) if len(right) else None,
                )
            )
    return sorted(found, key=lambda pair: -pair.count)


def look_of(view: "SplitView", places: np.ndarray) -> Look:
    """What some images look like; at least one."""
    sample = places[:: max(1, -(-len(places) // _MEASURED))]
    return Look(*look(np.asarray(view.images[sample])))


def _sheet(view: "SplitView", pairs: Sequence[ErrorPair], held: HeldOut) -> str:
    rows = []
    for pair in pairs:
        shown = pair.places[:_COLUMNS]
        sure = held.predictions.probabilities[shown].max(axis=1)
        rows.append(
            SheetRow(
                list(np.asarray(view.images[shown])),
                f"{pair.true} taken for {pair.predicted}",
                note=f"{pair.count} of {pair.images_of_class}",
                captions=[[f"confidence {value:.0%}"] for value in sure],
            )
        )
    return encoded(draw_sheet("misclassified training images", rows, _TILE, label_width=_LABEL))
