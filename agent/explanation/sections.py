"""The sections of an explanation: each gives fields of `Explanation` and may draw pictures."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.explanation.frozen_backbone import compare_with_frozen, frozen_seconds
from agent.explanation.generated_images import compare_generated, generated_seconds
from agent.explanation.other_backgrounds import backgrounds_seconds, on_other_backgrounds
from agent.explanation.work import MOST_SEEDS, Work
from evaluators.attribution.information import THRESHOLDS, Blurring, random_mask
from evaluators.attribution.maps import IG_STEPS, METHODS, NoMap, cam_places, grad_cam
from evaluators.attribution.scoring import score_attributions, usable_methods
from evaluators.calibration import calibration_of, class_gains, confusion_of
from evaluators.features import features_of
from evaluators.pictures.cam_grid import MOST_ROWS, CamRow, draw_cam_grid
from evaluators.pictures.feature_map import FEWEST, draw_feature_map
from evaluators.pictures.learning_curves import draw_learning_curves
from evaluators.pictures.predictions import MOST_CLASSES, draw_class_gains, draw_confusion, draw_reliability
from evaluators.robustness.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from evaluators.robustness.on_corruptions import measure_corruptions
from tools.training.synthetic import LABELS, PIXELS

_FEATURES_OF = 600
"""Images, real and synthetic together, at most, in the map of features."""
_BACKWARD = 3.0
"""A pass with gradients takes as long as this many without."""


@dataclass(frozen=True)
class Section:
    """A part of an explanation."""

    title: str
    seconds: Callable[[Work], float]
    """About how long it takes."""
    run: Callable[[Work], dict[str, Any]]
    """Fields of `Explanation`."""


def describe_predictions(work: Work) -> dict[str, Any]:
    """Calibration, confusion, gains by class, learning curves: from what is stored."""
    before, after = (work.predictions[arm.name] for arm in work.pair.arms)
    names = [arm.name for arm in work.pair.arms]
    calibration = [calibration_of(name, each) for name, each in zip(names, (before, after), strict=True)]
    confusion = {names[0]: confusion_of(before), names[1]: confusion_of(after)}
    gains = class_gains(work.classes, before, after, work.groups(np.arange(len(work.test))))
    errors = ", ".join(f"{each.name} {100 * each.expected_error:.1f}%" for each in calibration)
    draw_reliability(
        calibration,
        work.picture(
            "reliability.png",
            "Reliability: accuracy by confidence",
            f"Reliability diagrams on the test set; expected calibration error: {errors}.",
        ),
    )
    if len(work.classes) <= MOST_CLASSES:
        draw_confusion(
            confusion,
            work.classes,
            work.picture(
                "confusion.png", "Confusion", "Confusion matrices on the test set, in percent of each class."
            ),
        )
        draw_class_gains(
            gains,
            work.picture(
                "class_gains.png", "Gain by class", "Gain in recall on each class, with 95% intervals."
            ),
        )
    _draw_curves(work)
    return {"calibration": calibration, "confusion": confusion, "class_gains": gains}


def _draw_curves(work: Work) -> None:
    curves = {}
    for arm in work.pair.arms:
        results = [work.context.store.result(spec.key) for spec in arm.specs.values()]
        curves[arm.name] = [result.epochs for result in results if result is not None and result.epochs]
    if all(curves.values()):
        file = work.picture(
            "learning_curves.png",
            "Loss and accuracy by epoch",
            "Training and validation loss and validation accuracy by epoch; a dashed line marks the best epoch.",
        )
        draw_learning_curves(curves, file)


def draw_grad_cams(work: Work) -> dict[str, Any]:
    """Where both look, on images that one gets wrong and the other right (AGA paper, Figure 14)."""
    seed, labels = work.seeds[0], np.asarray(work.test.labels)
    say = [work.predictions[arm.name][seed].probabilities for arm in work.pair.arms]
    right = [each.argmax(axis=1) == labels for each in say]
    names = (work.pair.reference.name, work.pair.winner.name)
    tall, wide = cam_places(work.classifier(work.pair.reference, seed), work.test.images.shape[1])
    size = f"{tall} × {wide}"
    for file, chosen, title in (
        ("gradcam_fixed.png", right[1] & ~right[0], f"Wrong by {names[0]}, right by {names[1]}"),
        ("gradcam_broken.png", right[0] & ~right[1], f"Right by {names[0]}, wrong by {names[1]}"),
    ):
        places = np.flatnonzero(chosen)
        if not len(places):
            continue
        # The surest mistakes first: where they look says most.
        surest = np.maximum(say[0].max(axis=1), say[1].max(axis=1))[places]
        places = places[np.argsort(-surest, kind="stable")][:MOST_ROWS]
        rows = _cam_rows(work, places, seed, say)
        shown = f"{len(places)} of {int(chosen.sum())} test images under seed {seed}; maps of {size} places, enlarged"
        draw_cam_grid(
            rows, names, work.picture(file, f"{title} ({shown})", f"Grad-CAM maps: {title.lower()}, {shown}.")
        )
    return {}


def _cam_rows(work: Work, places: np.ndarray, seed: int, say: list[np.ndarray]) -> list[CamRow]:
    images = np.asarray(work.test.images[places])
    found = [
        grad_cam(work.classifier(arm, seed), images, each[places].argmax(axis=1).tolist())
        for arm, each in zip(work.pair.arms, say, strict=True)
    ]
    rows = []
    for number, place in enumerate(places):
        predicted = [int(each[place].argmax()) for each in say]
        rows.append(
            CamRow(
                image=images[number],
                truth=work.classes[int(work.test.labels[place])],
                maps=(found[0][number], found[1][number]),
                predicted=(work.classes[predicted[0]], work.classes[predicted[1]]),
                confidence=(float(say[0][place].max()), float(say[1][place].max())),
            )
        )
    return rows


def map_features(work: Work) -> dict[str, Any]:
    """Last-layer features of training images, and of the synthetic ones that the winner was trained with."""
    arm, seed = work.pair.winner, work.seeds[0]
    view = work.context.data.split("train")
    images, labels, synthetic = view.images, np.asarray(view.labels), arm.specs[seed].synthetic
    chosen = _evenly(len(labels), _FEATURES_OF // (2 if synthetic else 1))
    pixels, kinds, owners = [np.asarray(images[chosen])], [np.zeros(len(chosen), bool)], [labels[chosen]]
    if synthetic:
        made = np.load(synthetic.folder / PIXELS, mmap_mode="r")
        some = _evenly(len(made), _FEATURES_OF // 2)
        pixels.append(np.asarray(made[some]))
        kinds.append(np.ones(len(some), bool))
        owners.append(np.load(synthetic.folder / LABELS)[some])
    if sum(map(len, owners)) < FEWEST:
        raise NoMap(f"a map of features needs {FEWEST} images")
    features = features_of(work.classifier(arm, seed), np.concatenate(pixels))
    of_synthetic = " and of the synthetic ones" if synthetic else ""
    file = work.picture(
        "features.png",
        f"Last-layer features of training images{of_synthetic}",
        f"Training images{of_synthetic} in the plane by the last-layer features of {arm.name}, coloured by class.",
    )
    seed_of_map = work.context.config.search.seed
    found = draw_feature_map(
        arm.name, features, np.concatenate(owners), np.concatenate(kinds), work.classes, file, seed_of_map
    )
    if found.method != "UMAP":
        work.notes.append('The map of features is by t-SNE: UMAP needs pip install "augur-vision[explain]".')
    return {"features": found}


def _evenly(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


def score_maps(work: Work) -> dict[str, Any]:
    """AIC, SIC, insertion and deletion (AGA paper, Table 2)."""
    seed, places = work.seeds[0], work.sample(work.options.images)
    found = score_attributions(
        {arm.name: work.classifier(arm, seed) for arm in work.pair.arms},
        np.asarray(work.test.images[places]),
        np.asarray(work.test.labels)[places],
        work.options.methods or usable_methods(),
        work.options.threshold,
        work.context.config.search.seed,
        lambda done, total: work.context.terminal.progress("attribution maps", done, total),
    )
    if not work.options.methods and (left := set(METHODS) - set(usable_methods())):
        titles = ", ".join(METHODS[name][0] for name in sorted(left))
        work.notes.append(f'{titles}: not computed; pip install "augur-vision[explain]" adds it.')
    unsure = [
        f"{each.metric.upper()} of {each.name} by {each.method}"
        for each in found.scores
        if each.score is None
    ]
    if unsure:
        work.notes.append(
            f"No image could be scored for {', '.join(unsure)}: AIC and SIC leave out images with a score under "
            f"{work.options.threshold:g} (--least-score), and those that score as high when they are blurred."
        )
    return {"attribution": found}


def _attribution_seconds(work: Work) -> float:
    place = int(work.sample(1)[0])
    image = np.asarray(work.test.images[[place]])[0]
    side = image.shape[0]
    started = time.monotonic()
    # Random importance, like that of gradients, takes longer than the smooth one of regions.
    Blurring(image, random_mask(side, side, (0,))).reveal(np.random.default_rng(0).random((side, side)))
    revealing = time.monotonic() - started
    methods = work.options.methods or usable_methods()
    count = min(work.options.images, len(work.test)) * len(work.pair.arms)
    gradients = {"ig": IG_STEPS, "gradcam": 1, "xrai": 2 * IG_STEPS}
    steps = sum(gradients[name] for name in methods)
    passes = len(methods) * (len(THRESHOLDS) + 2 + 2 * (side + 1)) + _BACKWARD * steps
    return 3 + count * (len(methods) * revealing + passes * work.seconds_per_image)


def corrupt_images(work: Work) -> dict[str, Any]:
    """Accuracy on corrupted test images, and the mean corruption error."""
    places = work.sample(work.options.changed_images)
    labels = np.asarray(work.test.labels)[places]
    reference, winner = (work.correct(arm, labels) for arm in work.pair.arms)
    found = measure_corruptions(
        reference,
        winner,
        np.asarray(work.test.images[places]),
        work.groups(places),
        labels=labels,
        progress=lambda done, total: work.context.terminal.progress("corrupted images", done, total),
    )
    return {"corruptions": found}


def _corruption_seconds(work: Work) -> float:
    image = np.asarray(work.test.images[work.sample(1)])[0]
    started = time.monotonic()
    for name in CORRUPTIONS:
        corrupt(image, name, 3, 0)
    making = (time.monotonic() - started) * SEVERITIES
    passes = len(CORRUPTIONS) * SEVERITIES * 2 * min(MOST_SEEDS, len(work.seeds))
    count = min(work.options.changed_images, len(work.test))
    return 1 + count * (making + passes * work.seconds_per_image)


SECTIONS = {
    "gradcam": Section("Grad-CAM pictures", lambda work: 4.0, draw_grad_cams),
    "frozen": Section("frozen backbone", frozen_seconds, compare_with_frozen),
    "generated": Section("synthetic images", generated_seconds, compare_generated),
    "corruptions": Section("corrupted images", _corruption_seconds, corrupt_images),
    "backgrounds": Section("other backgrounds", backgrounds_seconds, on_other_backgrounds),
    "attribution": Section("attribution scores", _attribution_seconds, score_maps),
    "features": Section(
        "map of features", lambda work: 12.0 + _FEATURES_OF * work.seconds_per_image, map_features
    ),
}
"""Name in a flag → what needs the weights, in the order in which it is computed, as long as the time lasts."""
