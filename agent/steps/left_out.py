"""Which training images a model may be shown, and the training whose errors it may see."""

from agent.context import Context
from agent.memory.candidate import reference
from agent.memory.proposal import SCHEMA_VERSION
from agent.steps.trials import trial_spec
from tools.datasets.cache.read import SplitView
from tools.training.config import Fold, TrialSpec
from tools.training.trial_store import trial_key
from tools.training.views import shown_view

PARTS = 5
"""Parts of the training images, one of which is left out where seeds have no folds."""


def shown_images(context: Context) -> SplitView:
    """The training images that may be shown: none of them is a validation image of a seed of the search."""
    return shown_view(context.data.folder, _fold_count(context), _judging_seeds(context))


def left_out_spec(context: Context) -> TrialSpec | None:
    """A training without augmentation that leaves out images which may be shown; None where there are none."""
    fold = _fold_to_show(context)
    if fold is None:
        return None
    spec, config = trial_spec(context, reference(), context.config.search.seed), context.config
    key = trial_key(
        spec.policy,
        context.data.fingerprint,
        config.model,
        spec.recipe,
        spec.seed,
        SCHEMA_VERSION,
        None,
        fold,
    )
    return spec.model_copy(update={"fold": fold, "key": key, "directory": context.store.directory(key)})


def _fold_to_show(context: Context) -> Fold | None:
    """Without folds, a part of the training images; with folds, one that no seed of the search is validated on.

    Fold 0 is the validation split as it is, of which nothing is shown.
    """
    count = _fold_count(context)
    if count is None:
        return Fold(number=0, count=PARTS, of="train")
    taken = {seed % count for seed in _judging_seeds(context)}
    free = [number for number in range(1, count) if number not in taken]
    return Fold(number=free[-1], count=count) if free else None


def _fold_count(context: Context) -> int | None:
    return getattr(context, "fold_count", None)


def _judging_seeds(context: Context) -> list[int]:
    """Seeds by which something is compared before the test: those of the search and of the choice."""
    return context.config.search.choice_seeds
