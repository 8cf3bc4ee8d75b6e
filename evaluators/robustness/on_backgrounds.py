"""How much classifiers read from the background: subjects on other backgrounds, and backgrounds without a subject.

After Xiao et al. 2021 (Noise or Signal: The Role of Image Backgrounds in Object Recognition). A subject is cut out by
its mask, and put on the background of another test image: of the same class, or of another. Where the second costs more
than the first, the classifier reads the class from the background; how much more is the gap. Backgrounds alone are the
images with their subjects filled in from what surrounds them.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from evaluators.explanation import BackgroundLine, Backgrounds, Measured
from evaluators.robustness.on_corruptions import Correct
from evaluators.statistics import WIDE_DIFFERENCES, interval_over_both

AS_THEY_ARE = "as they are"
SAME_CLASS = "background of the same class"
OTHER_CLASS = "background of another class"
SUBJECT_ALONE = "subject alone"
BACKGROUND_ALONE = "background alone"

LEAST_AREA, MOST_AREA = 0.02, 0.9
"""Share of the image that a mask covers: others cut out nothing, or leave no background."""
FEWEST_IMAGES = 10
"""With fewer usable masks there is no test."""
_GROWN, _SOFT, _INPAINTED = 0.02, 0.007, 3.0
"""Of the side: how far a mask is grown before its subject is filled in, and how soft its border is when it is pasted;
pixels around a filled place that Telea's method looks at."""


def usable(masks: np.ndarray) -> np.ndarray:
    """Which masks, bool (N, S, S), cut out a subject and leave a background: bool (N,)."""
    area = masks.mean(axis=(1, 2))
    return (area >= LEAST_AREA) & (area <= MOST_AREA)


def changed_images(
    images: np.ndarray, masks: np.ndarray, labels: np.ndarray, seed: int = 0
) -> dict[str, np.ndarray]:
    """The images in every way of the test: name → uint8 (N, S, S, 3).

    Args:
        images: uint8 (N, S, S, 3).
        masks: bool (N, S, S), True on the subject.
        labels: int (N,).
        seed: of which image lends its background.
    """
    backgrounds = np.stack([_filled(image, mask) for image, mask in zip(images, masks, strict=True)])
    rng = np.random.default_rng(seed)
    same, other = (_lenders(labels, rng, of_same) for of_same in (True, False))
    grey = np.full_like(images, np.round(images.mean(axis=(0, 1, 2))).astype(np.uint8))
    return {
        AS_THEY_ARE: images,
        SAME_CLASS: _pasted(images, masks, backgrounds[same]),
        OTHER_CLASS: _pasted(images, masks, backgrounds[other]),
        SUBJECT_ALONE: _pasted(images, masks, grey),
        BACKGROUND_ALONE: backgrounds,
    }


def measure_backgrounds(
    reference: Mapping[int, Correct],
    winner: Mapping[int, Correct],
    changed: Mapping[str, np.ndarray],
    labels: np.ndarray,
    tried: int,
    groups: Sequence[str] | None = None,
) -> Backgrounds:
    """Both candidates on the images of `changed_images`.

    Args:
        reference: seed → classifier.
        winner: the same under the same seeds.
        changed: as of `changed_images`.
        labels: int (N,).
        tried: images whose subject was looked for.
        groups: of each image, where images belong together.
    """
    seeds = sorted(reference.keys() & winner.keys())
    found = {
        name: np.stack([[each[seed](images) for seed in seeds] for each in (reference, winner)]).astype(
            np.float64
        )
        for name, images in changed.items()
    }
    gaps = found[SAME_CLASS] - found[OTHER_CLASS]
    change = interval_over_both(gaps[1], gaps[0], groups, WIDE_DIFFERENCES)
    return Backgrounds(
        images=len(labels),
        tried=tried,
        seeds=len(seeds),
        lines=[
            BackgroundLine(name=name, reference=float(each[0].mean()), winner=float(each[1].mean()))
            for name, each in found.items()
        ],
        chance=float(np.bincount(labels).max() / len(labels)),
        gap_reference=float(gaps[0].mean()),
        gap_winner=float(gaps[1].mean()),
        gap_change=Measured.of(change),
    )


def _filled(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The image with its subject filled in from what surrounds it."""
    reach = max(1, round(_GROWN * len(image)))
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate(mask.astype(np.uint8), brush)
    return cv2.inpaint(np.ascontiguousarray(image), grown, _INPAINTED, cv2.INPAINT_TELEA)


def _pasted(images: np.ndarray, masks: np.ndarray, backgrounds: np.ndarray) -> np.ndarray:
    made = []
    for image, mask, background in zip(images, masks, backgrounds, strict=True):
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(0.3, _SOFT * len(image)))[..., None]
        made.append(np.round(soft * image + (1 - soft) * background).astype(np.uint8))
    return np.stack(made)


def _lenders(labels: np.ndarray, rng: np.random.Generator, of_same: bool) -> np.ndarray:
    """For each image the place of one that lends its background; itself only where its class has no other."""
    places = np.arange(len(labels))
    chosen = places.copy()
    for place in places:
        among = places[(labels == labels[place]) == of_same]
        among = among[among != place]
        if len(among):
            chosen[place] = rng.choice(among)
    return chosen
