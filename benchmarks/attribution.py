"""AIC and SIC of one image against PAIR's package saliency: the same image, map and classifier, in one run.

PAIR's way is its published one, `compute_pic_metric` once for AIC and once for SIC, with a classifier that is called as
its notebook calls it. Maps are of integrated gradients, which reveal scattered pixels, and of Grad-CAM, which reveal
regions. Both ways give the same curves, which is checked. The two take turns, and each goes first every other time.
"""

import json
import time
from typing import Any, cast

import numpy as np
from PIL import Image
from torch import nn

from evaluators.attribution.information import (
    THRESHOLDS,
    Blurring,
    information_curves,
    interpolated,
    random_mask,
)
from evaluators.attribution.insertion import Probabilities, probabilities_of
from evaluators.attribution.maps import grad_cam, importance_by_gradients
from tools.training.config import ModelConfig
from tools.training.evaluation import Classifier
from tools.training.networks.models import build_model
from tools.training.normalisation import IMAGENET

SIDE, CLASSES, IMAGES, REPEATS = 128, 10, 2, 3
TARGET = 6.0


def pictures() -> np.ndarray:
    """uint8 (IMAGES, SIDE, SIDE, 3): objects with soft and hard edges on a ground with a fine grain."""
    made = []
    for number in range(IMAGES):
        rng = np.random.default_rng(number)
        coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        ground = np.asarray(
            Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float64
        )
        rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
        inside = (rows - 0.5) ** 2 / 0.08 + (columns - 0.45) ** 2 / 0.05 < 1
        picture = np.where(inside[..., None], 255 - ground, ground) + rng.normal(0, 6, (SIDE, SIDE, 3))
        made.append(np.clip(picture, 0, 255).astype(np.uint8))
    return np.stack(made)


def with_ours(
    image: np.ndarray, mask: np.ndarray, importance: np.ndarray, say: Probabilities, label: int
) -> Any:
    found = information_curves(Blurring(image, mask), importance, say, label, minimum=0.0)
    return found.aic, found.sic


def with_pair(
    image: np.ndarray, mask: np.ndarray, importance: np.ndarray, say: Probabilities, label: int
) -> Any:
    np.trapz = np.trapezoid  # type: ignore[attr-defined]  # which PAIR's package calls by its old name
    from saliency.metrics import pic

    compute: Any = pic.compute_pic_metric

    curves = []
    for score in (
        lambda images: (say(images).argmax(axis=1) == label).astype(np.float64),
        lambda images: say(images)[:, label].astype(np.float64),
    ):
        try:
            curves.append(compute(image, importance, mask, score, THRESHOLDS, min_pred_value=0.0).curve_y)
        except pic.ComputePicMetricError:
            curves.append(None)
    return curves


def run() -> dict[str, Any]:
    """Median ratio of the seconds for AIC and SIC of one image."""
    images = pictures()
    classifier = Classifier(
        build_model(ModelConfig(name="resnet18"), CLASSES, SIDE, 0).eval(), IMAGENET, "cpu"
    )
    say = probabilities_of(classifier)
    labels = _surer(classifier, images)
    ratios: dict[str, list[float]] = {}
    furthest = 0.0
    for name, make in (("integrated gradients", importance_by_gradients), ("Grad-CAM", grad_cam)):
        maps = make(classifier, images, labels.tolist())
        for number, image in enumerate(images):
            given = (image, random_mask(SIDE, SIDE, (number,)), maps[number], say, int(labels[number]))
            furthest = max(
                furthest, _difference(with_ours(*given), with_pair(*given))
            )  # which also warms up both
            for repeat in range(REPEATS):
                order = [with_ours, with_pair] if repeat % 2 else [with_pair, with_ours]
                seconds = {each: _seconds(each, given) for each in order}
                ratios.setdefault(name, []).append(seconds[with_pair] / seconds[with_ours])
    every = [ratio for each in ratios.values() for ratio in each]
    low, middle, high = np.percentile(every, [25, 50, 75]).tolist()
    return {
        "name": "attribution",
        "ratio": round(middle, 3),
        "target": TARGET,
        "met": middle >= TARGET,
        "details": {
            "ratio": {"median": round(middle, 3), "q1": round(low, 3), "q3": round(high, 3)},
            "median_by_method": {name: round(float(np.median(each)), 3) for name, each in ratios.items()},
            "furthest_apart": furthest,
            "image_size": SIDE,
            "model": "resnet18",
            "images": IMAGES,
            "repeats": REPEATS,
        },
    }


def _surer(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """Make an untrained classifier name a class of each image that it does not name of its blur; these classes."""
    blurred = np.stack([interpolated(image, random_mask(SIDE, SIDE, (n,))) for n, image in enumerate(images)])
    say, head = probabilities_of(classifier), cast(nn.Linear, classifier.model.get_submodule("fc"))
    change = np.log(say(images)).mean(axis=0) - np.log(say(blurred)).mean(axis=0)
    label = int(change.argmax())
    head.weight.data *= 20.0
    head.bias.data *= 20.0
    both = np.log(np.maximum(say(np.concatenate([images, blurred])), 1e-30))
    margin = both[:, label] - np.delete(both, label, axis=1).max(axis=1)
    head.bias.data[label] -= float((margin[:IMAGES].min() + margin[IMAGES:].max()) / 2)
    return np.full(IMAGES, label)


def _difference(ours: Any, theirs: Any) -> float:
    """Of the curves that both have, the largest difference of a point."""
    pairs = [(one, other) for one, other in zip(ours, theirs, strict=True) if other is not None]
    return max((float(np.abs(one - other).max()) for one, other in pairs), default=0.0)


def _seconds(way: Any, given: Any) -> float:
    started = time.perf_counter()
    way(*given)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
