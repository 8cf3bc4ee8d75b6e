"""AIC, SIC, insertion and deletion of several classifiers on the same images, so that they can be compared.

The pixels that stay known in a blurred image are drawn once for each image and shared by all classifiers and methods.
AIC and SIC leave out images that a classifier is not sure of, so that each is scored on images of its own; the score on
the images that none leaves out is given beside it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec

import numpy as np
import torch

from evaluators.attribution.information import (
    MINIMUM,
    Blurring,
    InformationCurves,
    Skipped,
    area,
    information_curves,
    random_mask,
)
from evaluators.attribution.insertion import (
    area_under,
    deletion_curve,
    insertion_curve,
    probabilities_of,
)
from evaluators.attribution.maps import METHODS, NoMap
from evaluators.explanation import Attribution, AttributionScore, Metric
from tools.training.evaluation import Classifier

EXPLAINED = "the true class of each image"

Progress = Callable[[int, int], None]
"""Called with (done, total)."""


@dataclass
class _Found:
    """One classifier under one method."""

    information: dict[int, InformationCurves] = field(default_factory=dict)
    """Image → its curves."""
    insertion: dict[int, float] = field(default_factory=dict)
    deletion: dict[int, float] = field(default_factory=dict)

    def values(self, metric: Metric) -> dict[int, np.ndarray | float]:
        """Image → curve or area, of the images that the metric does not leave out."""
        if metric in ("insertion", "deletion"):
            return dict(self.insertion if metric == "insertion" else self.deletion)
        curves = {image: getattr(each, metric) for image, each in self.information.items()}
        return {image: curve for image, curve in curves.items() if not isinstance(curve, Skipped)}

    def skipped(self, metric: Metric) -> dict[str, int]:
        """Reason → images that the metric leaves out."""
        if metric in ("insertion", "deletion"):
            return {}
        curves = [getattr(each, metric) for each in self.information.values()]
        return dict(Counter(curve.reason for curve in curves if isinstance(curve, Skipped)))


def score_attributions(
    classifiers: Mapping[str, Classifier],
    images: np.ndarray,
    labels: np.ndarray,
    methods: Sequence[str] = tuple(METHODS),
    minimum: float = MINIMUM,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> Attribution:
    """How well maps of each method find what each classifier decides by.

    Args:
        classifiers: candidate → its classifier.
        images: uint8 (N, S, S, 3).
        labels: int (N,), the true classes, which are explained.
        methods: of `METHODS`.
        minimum: AIC and SIC leave out images whose score is lower (`information.MINIMUM`, as in PAIR's package).
        seed: of the random masks.
        progress: told of each image under each classifier and method.
    """
    side, count = images.shape[1], len(images)
    masks = [random_mask(side, side, (seed, number)) for number in range(count)]
    blurrings = [Blurring(image, mask) for image, mask in zip(images, masks, strict=True)]
    scores: list[AttributionScore] = []
    missing: list[str] = []
    total, done = len(methods) * len(classifiers) * count, 0
    for method in methods:
        title, make = METHODS[method]
        found: dict[str, _Found] = {}
        for name, classifier in classifiers.items():
            try:
                maps = make(classifier, images, labels.tolist())
            except NoMap as why:
                missing.append(f"{title}: {why}")
                total -= count * (len(classifiers) - len(found))
                break
            found[name] = _Found()
            for number in range(count):
                _score(
                    found[name], number, classifier, blurrings[number], images[number], labels, maps, minimum
                )
                done += 1
                progress(done, total)
        if len(found) == len(classifiers):
            scores += _lines(title, found)
    return Attribution(images=count, explained=EXPLAINED, scores=scores, missing=missing)


def _score(
    found: _Found,
    number: int,
    classifier: Classifier,
    blurring: Blurring,
    image: np.ndarray,
    labels: np.ndarray,
    maps: np.ndarray,
    minimum: float,
) -> None:
    label, importance = int(labels[number]), maps[number]
    tensor = as_input(classifier, image)
    found.information[number] = information_curves(
        blurring, importance, probabilities_of(classifier), label, minimum
    )
    found.insertion[number] = area_under(insertion_curve(classifier, tensor, importance, label))
    found.deletion[number] = area_under(deletion_curve(classifier, tensor, importance, label))


def as_input(classifier: Classifier, image: np.ndarray) -> torch.Tensor:
    """uint8 (S, S, 3) → float32 (3, S, S), normalised, on the classifier's device."""
    tensor = torch.from_numpy(np.array(image[None])).permute(0, 3, 1, 2)
    return classifier.normalisation.apply(tensor, classifier.device)[0]


_METRICS: tuple[Metric, ...] = ("aic", "sic", "insertion", "deletion")


def _lines(title: str, found: Mapping[str, _Found]) -> list[AttributionScore]:
    lines = []
    for metric in _METRICS:
        values = {name: each.values(metric) for name, each in found.items()}
        shared = set.intersection(*(set(each) for each in values.values()))
        for name, each in found.items():
            own = values[name]
            lines.append(
                AttributionScore(
                    name=name,
                    method=title,
                    metric=metric,
                    score=_aggregate(metric, list(own.values())),
                    images=len(own),
                    skipped=each.skipped(metric),
                    on_shared=_aggregate(metric, [own[image] for image in sorted(shared)]),
                    shared_images=len(shared),
                )
            )
    return lines


def _aggregate(metric: Metric, values: Sequence[np.ndarray | float]) -> float | None:
    if not values:
        return None
    if metric in ("aic", "sic"):
        return area([np.asarray(each) for each in values])
    return float(np.mean(np.asarray(values, dtype=np.float64)))


def usable_methods() -> tuple[str, ...]:
    """Those of `METHODS` whose packages are installed."""
    return tuple(name for name in METHODS if name != "xrai" or find_spec("saliency") is not None)
