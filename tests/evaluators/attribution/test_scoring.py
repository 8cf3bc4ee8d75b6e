"""Several classifiers on the same images: shared masks, own and shared subsets, methods that do not apply."""

from typing import cast

import numpy as np
from torch import nn

from evaluators.attribution.information import UNSURE
from evaluators.attribution.insertion import probabilities_of
from evaluators.attribution.scoring import score_attributions
from tests.evaluators.small_classifier import photos, small_classifier


def test_each_is_scored_on_its_own_images_and_on_the_shared_ones():
    one, other, images = small_classifier(), small_classifier(), photos(5)
    head = cast(nn.Linear, other.model.get_submodule("3"))
    head.weight.data, head.bias.data = head.weight.data.roll(1, 0), head.bias.data.roll(1, 0)
    # the first two images are as the one says, the next two as the other says; nobody is right about the last
    say = probabilities_of(one)(images).argmax(axis=1)
    labels = (say + np.array([0, 0, 1, 1, 2])) % 3
    found = score_attributions({"one": one, "other": other}, images, labels, ("gradcam",), minimum=0.0)
    lines = {(line.name, line.metric): line for line in found.scores}
    assert len(lines) == 8
    for name in ("one", "other"):
        aic, insertion = lines[name, "aic"], lines[name, "insertion"]
        assert aic.images <= 2
        assert aic.images + sum(aic.skipped.values()) == 5
        assert (aic.on_shared, aic.shared_images) == (None, 0)
        assert (insertion.images, insertion.shared_images) == (5, 5)
        assert insertion.on_shared == insertion.score
    assert lines["one", "insertion"].score != lines["other", "insertion"].score


def test_the_same_classifier_twice_scores_alike():
    classifier, images = small_classifier(), photos(3)
    labels = probabilities_of(classifier)(images).argmax(axis=1)
    found = score_attributions({"a": classifier, "b": classifier}, images, labels, ("ig",), minimum=0.0)
    by_name = {
        name: [s.model_copy(update={"name": ""}) for s in found.scores if s.name == name] for name in "ab"
    }
    assert by_name["a"] == by_name["b"]
    assert any(score.score is not None for score in by_name["a"])


def test_without_a_sure_image_there_is_no_score_and_the_reason_is_counted():
    classifier, images = small_classifier(), photos(2)
    wrong = (probabilities_of(classifier)(images).argmax(axis=1) + 1) % 3
    found = score_attributions({"a": classifier}, images, wrong, ("gradcam",))
    (aic,) = [line for line in found.scores if line.metric == "aic"]
    assert (aic.score, aic.images, aic.skipped) == (None, 0, {UNSURE: 2})


def test_progress_ends_at_its_total():
    seen: list[tuple[int, int]] = []
    images = photos(2)
    score_attributions(
        {"a": small_classifier()},
        images,
        np.zeros(2, int),
        ("gradcam",),
        progress=lambda *at: seen.append(at),
    )
    assert seen == [(1, 2), (2, 2)]
