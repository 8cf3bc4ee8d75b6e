"""The tool `show_errors` where images may have several labels: which labels are missed, and which are given wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.memory.history import History
from agent.memory.look_ups import HeldOut
from agent.proposers.inspection import ToolResult, encoded
from agent.proposers.inspection.errors import Look, look_of
from prompts import render
from tools.sheet import SheetRow, draw_sheet
from tools.training.label_scores import THRESHOLD, areas

MOST_LABELS = 8
_LABEL, _TILE, _COLUMNS = 130, 112, 5
_ROWS = 5


@dataclass(frozen=True)
class LabelErrors:
    """What a classifier says about one label of images that it was not trained on."""

    name: str
    images: int
    """That have the label."""
    missed: np.ndarray
    """Places of those for which it is not given, the most certain error first."""
    wrongly: int
    """Images without the label that are given it."""
    auroc: float | None
    """0..1; None where all images have the label, or none."""
    of_missed: Look | None
    of_found: Look | None


def show(history: History, held: HeldOut, labels: Sequence[str], vision: bool) -> ToolResult:
    """The errors by label in words and numbers, and as a picture for a model that sees.

    Args:
        history: of the study.
        held: the images, and what the classifier says of them.
        labels: which, by name; none for all.
        vision: whether to make a picture.
    """
    found = label_errors(held, history.card.classes, labels)
    values = {
        "images": len(held.predictions.labels),
        "trained_on": held.trained_on,
        "labels": found[:MOST_LABELS],
        "more": max(0, len(found) - MOST_LABELS),
    }
    text = render("label_errors", picture=False, **values)
    shown = [each for each in found if len(each.missed)][:_ROWS]
    if not (vision and shown):
        return ToolResult(text)
    rows = [
        SheetRow(
            list(np.asarray(held.view.images[each.missed[:_COLUMNS]])),
            f"{each.name} missed",
            note=f"{len(each.missed)} of {each.images}",
        )
        for each in shown
    ]
    sheet = encoded(draw_sheet("training images with missed labels", rows, _TILE, label_width=_LABEL))
    return ToolResult(render("label_errors", picture=True, **values), sheet, text)


def label_errors(held: HeldOut, names: Sequence[str], labels: Sequence[str] = ()) -> list[LabelErrors]:
    """Of each label, the one with the lowest AUROC first; of those in `labels`, if any are given."""
    probabilities = held.predictions.probabilities
    members = np.asarray(held.predictions.labels).astype(bool)
    given, aurocs = probabilities >= THRESHOLD, areas(probabilities, members)
    found = []
    for at, name in enumerate(names):
        if labels and name not in labels:
            continue
        missed, right = (np.flatnonzero(members[:, at] & there) for there in (~given[:, at], given[:, at]))
        ranked = missed[np.argsort(probabilities[missed, at], kind="stable")]
        found.append(
            LabelErrors(
                name,
                int(members[:, at].sum()),
                ranked,
                int((~members[:, at] & given[:, at]).sum()),
                aurocs[at],
                look_of(held.view, ranked) if len(ranked) else None,
                look_of(held.view, right) if len(right) else None,
            )
        )
    return sorted(found, key=lambda each: (each.auroc is None, each.auroc or 0.0))
