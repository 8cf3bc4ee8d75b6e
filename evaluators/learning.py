"""Whether anything was learnt at all: classifiers that answer without looking at the image say nothing of augmentation.

Measured by agreement: the probability that a classifier gives to the true class of an image, minus what the same
answer would get on average if the true classes were dealt out anew. It is 0 for any answer that is the same for all
images, whatever the classes' sizes and however the loss was weighted, which the log loss is not.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from evaluators.contenders import Contender
from evaluators.influence import image_losses
from evaluators.length import agrees, one_has_learnt
from tools.text import counted


def constant_losses(labels: np.ndarray, classes: int) -> np.ndarray:
    """Log loss in nats of each image, float64 (N,), of who has learnt nothing but how frequent each class is.

    Args:
        labels: int (N,), the true classes, or 0 and 1 (N, C).
        classes: how many there are.
    """
    if labels.ndim == 2:
        shares = labels.mean(axis=0)
        return image_losses(np.broadcast_to(shares, labels.shape), labels)
    counts = np.bincount(labels, minlength=classes)
    return -np.log(counts[labels] / len(labels))


def agreement(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Agreement of each image beyond chance, float64 (N,): -1 to 1, 0 on average where nothing was learnt.

    Args:
        probabilities: (N, C); rows sum to 1, except where an image may have several labels: the mean over labels.
        labels: int (N,), the true classes, or 0 and 1 (N, C).
    """
    found = probabilities.astype(np.float64)
    if labels.ndim == 2:
        return ((labels - labels.mean(axis=0)) * (2 * found - 1)).mean(axis=1)
    shares = np.bincount(labels, minlength=found.shape[1]) / len(labels)
    return found[np.arange(len(labels)), labels] - found @ shares


def unlearnt(contenders: Sequence[Contender], trained: str) -> str:
    """That no contender is shown to have learnt anything, in a sentence without its full stop; empty where one is.

    It is empty as well where the predictions of a contender were not kept.

    Args:
        contenders: all that compete.
        trained: how long, as in 'up to 12 epochs (480 steps)'.
    """
    if not contenders or any(each.answers.keys() != each.scores.keys() for each in contenders):
        return ""
    if any(has_learnt(each) for each in contenders):
        return ""
    lowest = min(float(np.mean([each.mean() for each in one.calibrated.values()])) for one in contenders)
    first = contenders[0]
    constant = float(np.mean([each.constant for each in first.answers.values()]))
    shown = f"as far as {_validated_on(first)} can show"
    return nothing_learnt(f"{trained}, {shown}", lowest, constant)


def _validated_on(contender: Contender) -> str:
    """Its validation images, and their groups where there are fewer: '200 validation images in 20 groups'.

    Seeds validate on the same images or, with folds, on others.
    """
    sets = {each.ids.tobytes(): each.ids for each in contender.images.values()}
    ids = np.concatenate(list(sets.values()))
    groups = len(np.unique(ids))
    images = counted(len(ids), "validation image")
    return images if groups == len(ids) else f"{images} in {counted(groups, 'group')}"


def has_learnt(contender: Contender) -> bool:
    """Whether its answers are shown to depend on the image: over all its seeds, or beyond doubt under one of them."""
    ids = [each.ids for each in contender.images.values()]
    shared = all(np.array_equal(ids[0], each) for each in ids)
    groups = {seed: [str(name) for name in each.ids] for seed, each in contender.images.items()}
    agreements = {seed: each.agreement for seed, each in contender.answers.items()}
    losses = {seed: float(each.mean()) for seed, each in contender.calibrated.items()}
    constant = {seed: each.constant for seed, each in contender.answers.items()}
    return agrees(agreements, groups, shared) or one_has_learnt(losses, constant, agreements, groups)


def learnt_on(correct: Mapping[int, np.ndarray], labels: np.ndarray, groups: Sequence[str] | None) -> bool:
    """Whether answers whose probabilities are not at hand are shown to depend on the image: by the mean recall.

    One seed alone does not show it: a network that was never trained prefers some images by chance.

    Args:
        correct: seed → share of the answers that are right, for each image (N,): 0 to 1.
        labels: int (N,), the true classes.
        groups: group of each image; None where each is its own.
    """
    counts = np.bincount(labels)
    present = np.count_nonzero(counts)
    # Of an answer that is the same for all images, these are 0 on average.
    beyond = {
        seed: each * len(labels) / (present * counts[labels]) - 1 / present for seed, each in correct.items()
    }
    by_seed = None if groups is None else dict.fromkeys(beyond, groups)
    return len(beyond) > 1 and agrees(beyond, by_seed, shared=True)


def caution(unlearnt: str, test_images: int) -> str:
    """Sentences that say of a result that validation does not show anything to be learnt.

    Args:
        unlearnt: as `unlearnt` gives it; what is empty stays so.
        test_images: that show something to be learnt all the same (`learnt_on`); 0 where they do not.
    """
    if not unlearnt:
        return ""
    follows = "What follows rests on chance."
    if test_images:
        follows = (
            f"The {counted(test_images, 'test image')} do show that something was: what is said of the test counts, "
            "and what was chosen on validation was chosen by chance."
        )
    return f"{unlearnt[0].upper()}{unlearnt[1:]}. {follows}"


def nothing_learnt(trained: str, loss: float, constant: float | None) -> str:
    """That nothing was learnt, and what to do, in a sentence without its full stop.

    Args:
        trained: how long, as in 'up to 12 epochs (480 steps)'.
        loss: the lowest validation log loss.
        constant: that of an answer that is the same for all images; None where it is not known.
    """
    text = f"nothing was learnt in {trained}: the validation loss is {loss:.2f}"
    if constant is not None:
        text += f", and {constant:.2f} for an answer that is the same for all images"
    return (
        f"{text}. Check the labels and the images, or try more epochs (--epochs), another learning rate "
        "(--training.learning_rate), a smaller batch or another model"
    )
