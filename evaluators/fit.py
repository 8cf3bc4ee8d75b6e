"""Whether a training was long enough, too long, or learnt its images by heart: from clean images alone. Light.

The loss on *augmented* training images says nothing of this: a policy that makes hard images has a high one however
well its classifier does, and was therefore called too strong where it only needed more time. Here the classifier is
judged on training images as they are, beside the validation loss and how that moved in the last quarter.

On dermoscopy images (ShuffleNetV2 x0.5, 32 px, one seed) this says: no augmentation is fine after 8 epochs (accuracy
on clean training images 0.86, validation loss 0.46) and over-trained after 24 (1.00, risen from 0.46 to 0.56); flips
and mild affine are unfinished after 8 (0.78, 0.44 and falling), TrivialAugment has stalled there (0.71, 0.48).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

State = Literal["unfinished", "stalled", "over-trained", "over-fitting", "fine"]

BY_HEART = 1.5
"""Validation loss over the loss on clean training images: from here on, the classifier knows its images by heart."""
LEARNT = 0.97
"""Accuracy on clean training images from which there is little left to learn from them."""
FALLING = 0.01
"""Share by which the validation loss must be lower in the last quarter than in the one before to count as still
falling. It is low because learning rates go to zero at the end, which flattens every curve."""
NO_BETTER = 0.9
"""Loss on clean training images over validation loss: from here on, nothing was learnt that is not general."""
RISEN = 0.05
"""Share of its lowest value by which the validation loss must lie above it at the end to count as risen."""
FEWEST_EPOCHS = 4
"""With fewer there is no last quarter."""
_SMOOTHED = 3


@dataclass(frozen=True)
class Training:
    """How a candidate's trainings ended: means over its finished seeds. Losses are mean cross-entropies in nats."""

    clean_loss: float
    """On training images without augmentation."""
    clean_accuracy: float
    """0..1, on the same."""
    validation_losses: tuple[float, ...]
    """After each epoch."""

    @property
    def validation_loss(self) -> float:
        """At the end."""
        return self.validation_losses[-1]

    @property
    def last_quarter(self) -> float | None:
        """Mean validation loss of the last quarter against the one before, as a share; None where that is not known.

        Below zero where it fell.
        """
        losses, size = self.validation_losses, self._quarter
        if len(losses) < FEWEST_EPOCHS:
            return None
        before, last = fmean(losses[-2 * size : -size]), fmean(losses[-size:])
        return last / before - 1 if before > 0 else None

    @property
    def risen(self) -> float:
        """How far the final validation loss lies above its lowest value before the last quarter, as a share; from 0."""
        early = _smoothed(self.validation_losses)[: -self._quarter]
        lowest = min(early, default=self.validation_loss)
        return max(0.0, self.validation_loss / lowest - 1) if lowest > 0 else 0.0

    @property
    def _quarter(self) -> int:
        """Epochs of a quarter."""
        return max(1, round(len(self.validation_losses) / 4))

    @property
    def state(self) -> State:
        """What this says of the length of the training; the first of these that holds.

        over-trained: the validation loss had its minimum before the last quarter, and has clearly risen since.
        over-fitting: it is far above the loss on clean training images.
        unfinished: these are not learnt yet, and the validation loss is still falling: a training of about twice the
        length would go further.
        stalled: these are not learnt yet, no better than others, and the validation loss falls no more. (After too few
        epochs to see how it moves, that is unfinished.)
        fine: none of these.
        """
        if self.risen >= RISEN:
            return "over-trained"
        if self.validation_loss > BY_HEART * self.clean_loss:
            return "over-fitting"
        if self.clean_accuracy >= LEARNT:
            return "fine"
        change, no_better = self.last_quarter, self.clean_loss >= NO_BETTER * self.validation_loss
        if change is None:
            return "unfinished" if no_better else "fine"
        if change <= -FALLING:
            return "unfinished"
        return "stalled" if no_better else "fine"


def mean_training(trials: Sequence[tuple[float, float, Sequence[float]]]) -> Training | None:
    """The mean over trials of (clean loss, clean accuracy, validation loss after each epoch); None without a trial.

    Trials of the length that most of them have; they differ only where a setting was changed on resume.
    """
    with_curves = [trial for trial in trials if trial[2]]
    if not with_curves:
        return None
    lengths = [len(losses) for _, _, losses in with_curves]
    length = max(set(lengths), key=lambda each: (lengths.count(each), each))
    kept = [trial for trial in with_curves if len(trial[2]) == length]
    return Training(
        fmean(loss for loss, _, _ in kept),
        fmean(accuracy for _, accuracy, _ in kept),
        tuple(fmean(values) for values in zip(*(losses for _, _, losses in kept), strict=True)),
    )


def _smoothed(losses: Sequence[float]) -> list[float]:
    """The running median of three, so that a single lucky or unlucky epoch decides nothing."""
    reach = _SMOOTHED // 2
    return [median(losses[max(0, at - reach) : at + reach + 1]) for at in range(len(losses))]
