"""What `agent explain` finds, as sections of the page."""

from collections.abc import Sequence
from typing import Any

from evaluators.explanation import (
    FOLDER,
    Attribution,
    Backgrounds,
    Calibration,
    Corruptions,
    Explanation,
    Generated,
    Measured,
)
from evaluators.report.page import Part
from evaluators.report.sections import Picture
from evaluators.wording import gain, signed, unsigned

METRIC_TITLES = {
    "aic": "AIC",
    "sic": "SIC",
    "insertion": "insertion",
    "deletion": "deletion (lower is better)",
}
"""Attribution metric → what it is called."""


_BY_CLASS = ("confusion.png", "class_gains.png")
"""Pictures of what the report has a section on already."""


def parts_of(found: Explanation, shown: str = "") -> list[Part]:
    """Its sections, the most telling first.

    Args:
        found: what was found.
        shown: the candidate whose confusions and gains by class the report shows already.
    """
    parts: list[Part] = []
    if found.frozen is not None:
        parts.append(Part("Against a frozen pretrained network", found.frozen.sentence))
    if found.corruptions is not None:
        parts.append(_corruptions(found.corruptions, found.winner))
    if found.backgrounds is not None:
        parts.append(_backgrounds(found.backgrounds, found.winner))
    if found.generated is not None:
        parts.append(_generated(found.generated))
    if found.calibration:
        parts.append(_calibration(found.calibration))
    if found.attribution is not None:
        parts.append(_attribution(found.attribution))
    if found.features is not None:
        parts.append(_features(found))
    pictures = [
        Picture(f"{FOLDER}/{each.file}", each.title, each.alt)
        for each in found.pictures
        if found.winner != shown or each.file not in _BY_CLASS
    ]
    if pictures:
        parts.append(Part("In pictures", pictures=pictures))
    if found.notes:
        parts.append(Part("What was left out", " ".join(found.notes)))
    return parts


def _heads(*names: str) -> list[dict[str, Any]]:
    return [{"text": name, "n": place > 0} for place, name in enumerate(names)]


def _corruptions(found: Corruptions, winner: str) -> Part:
    error = (
        ""
        if found.mean_error is None
        else f" Mean corruption error: {found.mean_error:.3f} (below 1 is better)."
    )
    return Part(
        "Corrupted images",
        f"{found.images} test images, corrupted at five severities. Over all of them the gain of {winner}, in points, "
        f"is {measured_points(found.gain)}; on clean images, {_percent(found.clean_winner)}% against "
        f"{_percent(found.clean_reference)}%.{error}{by_chance(found)}",
        "Accuracy (%) on corrupted test images, mean over severities and seeds",
        _heads("corruption", "no augmentation", winner, "gain", "relative error"),
        [
            [
                line.name.replace("_", " "),
                _percent(_mean(line.reference)),
                _percent(_mean(line.winner)),
                signed(_mean(line.winner) - _mean(line.reference)),
                "–" if line.relative_error is None else f"{line.relative_error:.2f}",
            ]
            for line in found.lines
        ],
    )


def by_chance(found: Corruptions) -> str:
    """What a classifier comes to that says the same of every image: one that a corruption breaks often does."""
    if found.chance is None:
        return ""
    return (
        f" Always naming the commonest class is right for {_percent(found.chance)}%: near it, nothing is left to "
        "compare."
    )


def _backgrounds(found: Backgrounds, winner: str) -> Part:
    return Part(
        "How much is read from the background",
        f"Where the background comes from another class instead of the same one, no augmentation loses "
        f"{unsigned(found.gap_reference)} points and {winner} {unsigned(found.gap_winner)}: a difference of "
        f"{measured_points(found.gap_change)}. Guessing the commonest class has {_percent(found.chance)}%. "
        f"{found.images} of {found.tried} test images had a usable mask.",
        "Accuracy (%) on changed test images, mean over seeds",
        _heads("image", "no augmentation", winner),
        [[line.name, _percent(line.reference), _percent(line.winner)] for line in found.lines],
    )


def _generated(found: Generated) -> Part:
    lines = generated_lines(found)
    return Part(
        "Synthetic images beside real ones",
        f"{found.images} synthetic images, and as many training images, each compared with {found.images} other "
        f"training images in the features of {found.backbone}. A Fréchet distance near that of real images, and "
        "density and coverage near theirs, mean images as real and as varied; a near copy lies nearer to a training "
        "image than any other training image does.",
        "Closeness to training images",
        _heads("measure", "synthetic", "real"),
        [list(line) for line in lines],
    )


def generated_lines(found: Generated) -> list[tuple[str, str, str]]:
    """(measure, of synthetic images, of real ones)."""
    return [
        ("Fréchet distance", f"{found.frechet:.2f}", f"{found.frechet_of_real:.2f}"),
        ("density", f"{found.density:.2f}", f"{found.density_of_real:.2f}"),
        ("coverage", f"{_percent(found.coverage)}%", f"{_percent(found.coverage_of_real)}%"),
        ("near copies", f"{_percent(found.copies)}%", f"{_percent(found.copies_of_real)}%"),
    ]


def _calibration(found: Sequence[Calibration]) -> Part:
    return Part(
        "Calibration",
        "How far a classifier's confidence can be believed. Expected calibration error (ECE) is the mean distance of "
        "confidence and accuracy; of all three, lower is better.",
        "Calibration on the test set, means over seeds",
        _heads("classifier", "ECE (%)", "Brier score", "log loss"),
        [
            [each.name, _percent(each.expected_error), f"{each.brier:.3f}", f"{each.log_loss:.3f}"]
            for each in found
        ],
    )


def _attribution(found: Attribution) -> Part:
    missing = f" Not computed: {'; '.join(found.missing)}." if found.missing else ""
    return Part(
        "Attribution",
        f"How well maps of what a classifier looks at find what it decides by, on {found.images} test images. "
        f"Explained is {found.explained}. Compare the scores on shared images: the others are of different "
        f"ones.{missing}",
        "Attribution scores",
        _heads("classifier and method", "metric", "score", "images", "on shared images", "shared images"),
        [
            [
                f"{each.name}, {each.method}",
                METRIC_TITLES[each.metric],
                _score(each.score),
                str(each.images),
                _score(each.on_shared),
                str(each.shared_images),
            ]
            for each in found.scores
        ],
    )


def _features(found: Explanation) -> Part:
    features = found.features
    assert features is not None
    both = (
        ""
        if features.spread_both is None
        else f", with {features.synthetic} synthetic ones {features.spread_both:.2f}"
    )
    return Part(
        "Features",
        f"Last-layer features of {features.of}, drawn by {features.method}. Mean distance to the centre of the class, "
        f"per distance between centres: {features.spread_real:.2f} over {features.real} real images{both}.",
    )


def measured_points(found: Measured) -> str:
    """'+1.2 [−0.3, +2.7]' in points; says so where seeds agree, or seeds or images are too few, for an interval."""
    return gain(found.mean, (found.low, found.high)) + (" (no interval)" if found.low is None else "")


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
