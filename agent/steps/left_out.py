"""Which training images a model may be shown, and the training whose errors it may see."""

import numpy as np

from agent.context import Context
from agent.memory.candidate import reference
from agent.steps.trials import trial_spec
from tools.datasets.cache.read import SplitView
from tools.datasets.label_sets import label_words
from tools.training.config import Fold, TrialSpec
from tools.training.views import shown_view

EXAMPLES = 8
"""Training images on a contact sheet."""
PARTS = 5
"""Parts of the training images, one of which is left out where seeds have no folds."""


def shown_images(context: Context) -> SplitView:
    """The training images that may be shown: no seed of the search is validated on them (see `shown_view`)."""
    return shown_view(context.data.folder, context.fold_count, context.config.search.search_seeds)


def training_examples(context: Context, count: int = EXAMPLES) -> tuple[np.ndarray, list[str]]:
    """Training images uint8 (n ≤ count, S, S, 3) spread over the classes, the same every time, with class names.

    No seed of the search is validated on them.
    """
    view, classes = shown_images(context), context.data.card.classes
    labels = np.asarray(view.labels)
    order = np.argsort(labels, kind="stable") if labels.ndim == 1 else np.lexsort(labels.T[::-1])
    picked = np.sort(order[np.linspace(0, len(order) - 1, min(count, len(order))).astype(int)])
    return np.asarray(view.images[picked]), [label_words(labels[i], classes) for i in picked]


def left_out_spec(context: Context) -> TrialSpec | None:
    """A training without augmentation that leaves out images which may be shown; None where there are none."""
    fold = _fold_to_show(context)
    return fold and trial_spec(context, reference(), context.config.search.seed, fold)


def _fold_to_show(context: Context) -> Fold | None:
    """Without folds, a part of the training images; with folds, one that no seed of the search is validated on.

    If there is one, it is a fold that no seed of the choice is validated on either. Fold 0 is the validation split
    as it is, of which nothing is shown.
    """
    count, search = context.fold_count, context.config.search
    if count is None:
        return Fold(number=0, count=PARTS, of="train")
    for seeds in (search.choice_seeds, search.search_seeds):
        taken = {seed % count for seed in seeds}
        if free := [number for number in range(1, count) if number not in taken]:
            return Fold(number=free[-1], count=count)
    return None
