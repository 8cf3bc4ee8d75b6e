"""What is done about classes of unequal size: in the loss, or in which images an epoch draws.

All three ways look at the training images of the trial alone (its fold, and the synthetic images where they come on
top). The predictions, on validation and test, are those of the model as it is. Light: imports numpy and torch only
where they are used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from tools.training.config import Recipe
from tools.training.metrics import Metric

if TYPE_CHECKING:
    import numpy as np
    import torch

Imbalance = Literal["none", "weighted_loss", "balanced_sampling", "logit_adjustment"]

WORDS: Mapping[str, str] = {
    "none": "nothing is done about classes of unequal size",
    "weighted_loss": "the loss weights each class by the inverse of its frequency",
    "balanced_sampling": "each epoch draws as many images of every class",
    "logit_adjustment": "the loss adds the log of each class's frequency to its logit (logit adjustment)",
}
"""`training.imbalance` → what it does, for people and language models."""

_LABEL_WORDS: Mapping[str, str] = {
    "none": "nothing is done about labels of unequal frequency",
    "weighted_loss": "the loss weights the images with a label by how many times more are without it",
    "logit_adjustment": "the loss adds the log odds of each label to its logit (logit adjustment)",
}
"""The same where an image may have several labels."""

_LEVEL = 1.5
"""From this ratio of the largest class to the smallest on, sizes are called unequal."""


def describe_imbalance(
    counts: Mapping[str, int], kind: str, metric: Metric, several_labels: bool = False
) -> str:
    """How unequal the classes are and what is done about it, in one line; '' where they are equal and nothing is.

    Args:
        counts: class → its training images.
        kind: `training.imbalance`.
        metric: by which the study chooses. Accuracy is told, as it counts a class by its images.
        several_labels: whether they are labels of which an image may have several.
    """
    present = {name: count for name, count in counts.items() if count}
    if not present:
        return ""
    small, large = min(present, key=present.__getitem__), max(present, key=present.__getitem__)
    ratio = present[large] / present[small]
    if ratio < _LEVEL and kind == "none":
        return ""
    skew = (
        f"{large} has {ratio:.1f} times the training images of {small}"
        if ratio >= _LEVEL
        else f"the {'labels' if several_labels else 'classes'} are of about equal size"
    )
    ways = [way for way in WORDS if way != "none" and not (several_labels and way == "balanced_sampling")]
    how = f" (training.imbalance: {', '.join(ways)})" if kind == "none" else ""
    counted_by = (
        "; accuracy decides, which counts images, not classes (search.metric: balanced_accuracy, macro_f1)"
        if metric == "accuracy" and ratio >= _LEVEL and not several_labels
        else ""
    )
    return f"{skew}; {(_LABEL_WORDS if several_labels else WORDS)[kind]}{how}{counted_by}"


def class_term(recipe: Recipe, labels: "np.ndarray", classes: int) -> "torch.Tensor | None":
    """What the loss takes of each class, float32 (C,) on the CPU; None where it takes nothing.

    For 'weighted_loss' it is the weight N / (C n), whose mean over the images is 1; for 'logit_adjustment' log(n / N),
    which is added to the logits in the loss alone (Menon et al. 2021, arXiv 2007.07314, with τ = 1). A class without
    training images counts as if it had one.

    Args:
        recipe: the trial's.
        labels: int64 (N,) of its training images; or 0 and 1 (N, C), where they may have several. Then 'weighted_loss'
            weights the images with a label by how many times more are without it (`pos_weight` of the binary
            cross-entropy), and 'logit_adjustment' takes the log of the same odds.
        classes: C.
    """
    if recipe.imbalance not in ("weighted_loss", "logit_adjustment"):
        return None
    import numpy as np
    import torch

    if labels.ndim == 2:
        there = np.clip(labels.sum(axis=0, dtype=np.int64), 1, max(1, len(labels) - 1))
        odds = there / np.maximum(1, len(labels) - there)
        found = 1 / odds if recipe.imbalance == "weighted_loss" else np.log(odds)
        return torch.from_numpy(found.astype(np.float32))
    counts = np.maximum(np.bincount(labels, minlength=classes), 1)
    if recipe.imbalance == "weighted_loss":
        return torch.from_numpy((len(labels) / (classes * counts)).astype(np.float32))
    return torch.from_numpy(np.log(counts / counts.sum()).astype(np.float32))


class BalancedDraw:
    """Draws as many images of every class. A class's images are used up before one comes again."""

    def __init__(self, labels: "np.ndarray") -> None:
        """`labels`: int64 (N,) of the images that are drawn from."""
        import numpy as np

        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]

    def draw(self, order: "np.random.Generator", count: int) -> "np.ndarray":
        """`count` images, int64, in random order; classes differ by one image at most."""
        import numpy as np

        share, rest = divmod(count, len(self._members))
        more = order.permutation(len(self._members)) < rest
        drawn = [
            _in_turns(members, share + int(extra), order)
            for members, extra in zip(self._members, more, strict=True)
        ]
        return order.permutation(np.concatenate(drawn))


def _in_turns(members: "np.ndarray", count: int, order: "np.random.Generator") -> "np.ndarray":
    """`count` of `members`: all of them in random order, again and again."""
    import numpy as np

    turns = [order.permutation(members) for _ in range(-(-count // len(members)))]
    return np.concatenate(turns)[:count] if turns else members[:0]
