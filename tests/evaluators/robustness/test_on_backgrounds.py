"""The background test on images whose classes are told by a known part of them."""

import numpy as np
import pytest

from evaluators.robustness.on_backgrounds import (
    AS_THEY_ARE,
    BACKGROUND_ALONE,
    OTHER_CLASS,
    SAME_CLASS,
    SUBJECT_ALONE,
    changed_images,
    measure_backgrounds,
    usable,
)

SIDE, COUNT = 24, 12
LABELS = np.arange(COUNT) % 2
MASKS = np.zeros((COUNT, SIDE, SIDE), bool)
MASKS[:, 8:16, 8:16] = True


def scene() -> np.ndarray:
    """A red (class 0) or blue (class 1) square on a dark or bright ground, which tells the class as well."""
    images = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    images[:] = np.where(LABELS == 0, 40, 200)[:, None, None, None]
    images[:, 8:16, 8:16] = np.where((LABELS == 0)[:, None], (220, 60, 60), (60, 60, 220))[:, None, None]
    return images


def by_subject(images: np.ndarray) -> np.ndarray:
    middle = images[:, 10:14, 10:14].astype(int).mean(axis=(1, 2))
    return (middle[:, 2] > middle[:, 0]).astype(int) == LABELS


def by_background(images: np.ndarray) -> np.ndarray:
    return (images[:, :4].mean(axis=(1, 2, 3)) > 120).astype(int) == LABELS


def test_who_reads_the_background_loses_by_that_of_another_class():
    changed = changed_images(scene(), MASKS, LABELS)
    found = measure_backgrounds(
        dict.fromkeys(range(3), by_background), dict.fromkeys(range(3), by_subject), changed, LABELS, COUNT
    )
    lines = {line.name: (line.reference, line.winner) for line in found.lines}
    assert lines[AS_THEY_ARE] == lines[SAME_CLASS] == (1, 1)
    assert lines[OTHER_CLASS] == (0, 1)
    assert lines[SUBJECT_ALONE] == (0.5, 1)
    assert lines[BACKGROUND_ALONE][0] == 1
    assert (found.gap_reference, found.gap_winner, found.gap_change.mean) == (1, 0, -1)
    assert found.chance == 0.5


def test_backgrounds_alone_keep_no_subject():
    alone = changed_images(scene(), MASKS, LABELS)[BACKGROUND_ALONE]
    reddish = alone[..., 0].astype(int) - alone[..., 2]
    assert np.abs(reddish).max() < 20


def test_a_background_is_lent_by_another_image():
    images = scene()
    images[:, 0, 0] = np.arange(COUNT)[:, None] * 10  # tells the lender
    changed = changed_images(images, MASKS, LABELS)
    lenders = {name: changed[name][:, 0, 0, 0] // 10 for name in (SAME_CLASS, OTHER_CLASS)}
    assert (lenders[SAME_CLASS] != np.arange(COUNT)).all()
    assert (LABELS[lenders[SAME_CLASS]] == LABELS).all()
    assert (LABELS[lenders[OTHER_CLASS]] != LABELS).all()


@pytest.mark.parametrize(("share", "good"), [(0.0, False), (0.01, False), (0.5, True), (1.0, False)])
def test_masks_that_cut_out_nothing_or_all_are_of_no_use(share: float, good: bool):
    mask = np.zeros((1, 10, 10), bool)
    mask.reshape(-1)[: round(100 * share)] = True
    assert usable(mask).tolist() == [good]
