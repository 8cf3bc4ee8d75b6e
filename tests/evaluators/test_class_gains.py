"""Who pays: classes that lose by what is recommended."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.report.class_gains import class_gains, who_pays
from evaluators.report.comparison import TestScores
from evaluators.report.report import Report
from tests.evaluators.test_report import comparison, report, scores
from tools.training.evaluation import score
from tools.training.types import Predictions

EACH = 40
"""Images of each of two classes."""
LABELS = [0] * EACH + [1] * EACH


def with_right(*shares: tuple[float, float], shuffled: bool = False) -> TestScores:
    """Test scores under one seed for each pair of recalls; which images are right is the same, or drawn by seed."""
    predicted = []
    for seed, pair in enumerate(shares):
        right = np.concatenate([np.arange(EACH) < round(share * EACH) for share in pair])
        if shuffled:
            rng = np.random.default_rng(seed)
            right = np.concatenate([rng.permutation(right[:EACH]), rng.permutation(right[EACH:])])
        predicted.append(
            [int(label) if hit else 1 - int(label) for label, hit in zip(LABELS, right, strict=True)]
        )
    return scores(predicted, LABELS)


BEFORE = with_right((0.8, 0.5), (0.8, 0.5), (0.8, 0.5))


def falls(after: TestScores, groups: list[str] | None = None) -> list[bool]:
    return [each.falls for each in class_gains(after, BEFORE, ["a", "b"], groups)]


def test_a_class_that_loses_under_every_seed_is_told():
    after = with_right((0.5, 0.9), (0.6, 0.9), (0.4, 0.9))
    found = class_gains(after, BEFORE, ["malignant", "benign"], None)
    assert [each.falls for each in found] == [True, False]
    assert who_pays(found, "the default policy", "accuracy", False) == (
        "Under each of 3 seeds, the default policy lowers the test recall of 1 of 2 classes, against no augmentation: "
        "malignant from 80.0% to 50.0% (−30.0 points, 40 test images). Accuracy counts images, not classes: if these "
        "matter more than their number, choose by --search.metric balanced_accuracy in a new study, or see "
        "training.imbalance."
    )
    assert who_pays(found, "x", "balanced_accuracy", False).endswith("40 test images).")


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (with_right((0.5, 0.9), (0.6, 0.9), (0.8, 0.9)), "one seed loses nothing"),
        (with_right((0.75, 0.9), (0.7, 0.9), (0.75, 0.9)), "it loses too little"),
        (with_right((0.5, 0.9), (0.5, 0.9)), "two seeds say nothing"),
    ],
)
def test_what_may_be_chance_or_is_little_is_not_told(after: TestScores, why: str):
    assert falls(after) == [False, False], why
    assert who_pays(class_gains(after, BEFORE, ["a", "b"], None), "x", "accuracy", False) == ""


def test_the_images_of_one_patient_are_one_case():
    after = with_right((0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
    lost = range(round(0.5 * EACH), round(0.8 * EACH))
    groups = ["one" if row in lost else f"patient {row}" for row in range(2 * EACH)]
    assert falls(after) == [True, False]
    assert falls(after, groups) == [False, False]
    assert falls(after, [f"patient {row % 4}" for row in range(2 * EACH)]) == [
        False,
        False,
    ]  # too few of them


def test_all_images_lost_at_once_are_no_error_of_arithmetic(recwarn):
    before, after = with_right(*[(1.0, 1.0)] * 3), with_right(*[(0.0, 1.0)] * 3)
    assert [each.falls for each in class_gains(after, before, ["a", "b"], None)] == [True, False]
    assert not [each for each in recwarn if issubclass(each.category, RuntimeWarning)]


def test_classifiers_that_are_alike_are_rarely_said_to_lose():
    """Where recall differs by training and by image at random, five seeds, two classes."""
    rng = np.random.default_rng(0)

    def drawn(spread: float) -> TestScores:
        return scores(
            [
                [int(label) if rng.random() < recall else 1 - int(label) for label in LABELS]
                for recall in np.clip(rng.normal(0.7, spread, 5), 0, 1)
            ],
            LABELS,
        )

    told = [
        any(each.falls for each in class_gains(drawn(0.05), drawn(0.05), ["a", "b"], None))
        for _ in range(200)
    ]
    assert np.mean(told) <= 0.05


def test_at_most_three_classes_are_named():
    found = class_gains(with_right(*[(0.2, 0.2)] * 3), with_right(*[(0.9, 0.9)] * 3), ["a", "b"], None)
    many = [replace(found[0], name=name, after=0.2 + 0.01 * place) for place, name in enumerate("abcde")]
    sentence = who_pays(many, "x", "macro_f1", False)
    assert "of 5 of 5 classes" in sentence
    assert [f"{name} from" in sentence for name in "abcde"] == [True, True, True, False, False]
    assert sentence.endswith("; and 2 more.")


def test_a_report_says_it_of_what_is_recommended_alone(tmp_path):
    after = with_right((0.5, 0.9), (0.6, 0.9), (0.4, 0.9))
    made: Report = replace(
        report(comparison(after, BEFORE)),
        classes=class_gains(after, BEFORE, ["a", "b"], None),
        recommended="the policy",
    )
    assert made.price.startswith("Under each of 3 seeds, the policy lowers")
    assert made.cautions[0] == made.price
    kept = replace(
        made, recommended="no augmentation"
    )  # whose classes are those of a proposal that is not used
    assert kept.price == ""
    assert "" not in kept.cautions


def test_of_several_labels_an_image_the_area_under_the_curve_is_told():
    rng = np.random.default_rng(0)
    labels = (rng.random((120, 2)) < 0.4).astype(np.uint8)

    def sets(signal: float, other: float) -> TestScores:
        """Under three seeds; how far the probabilities of either label follow it."""
        found = {}
        for seed in range(3):
            noise = np.random.default_rng(seed).normal(size=labels.shape)
            logits = noise + labels * np.array([signal, other])
            probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
            found[seed] = Predictions(probabilities, labels, score(probabilities, labels, False, 0.5))
        return TestScores.of(found, "auroc")

    found = class_gains(sets(0.8, 2.0), sets(2.5, 2.0), ["effusion", "mass"], None)
    assert [each.falls for each in found] == [True, False]
    sentence = who_pays(found, "RandAugment", "auroc", True)
    assert (
        "RandAugment lowers the test AUROC of 1 of 2 labels, against no augmentation: effusion from "
        in sentence
    )
    assert sentence.endswith("test images).")
