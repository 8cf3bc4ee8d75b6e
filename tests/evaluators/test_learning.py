"""Whether anything was learnt, on answers whose truth is known."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from evaluators.contenders import Answers, Contender, ImageScores
from evaluators.learning import agreement, caution, constant_losses, learnt_on, nothing_learnt, unlearnt
from evaluators.length import agrees, one_has_learnt, scaled_losses

IMAGES, CLASSES = 240, 3
LABELS = np.arange(IMAGES) % 4 // 2 + np.arange(IMAGES) % 12 // 11
"""Of unequal classes: 115, 105 and 20 images or so."""

Say = Callable[[np.random.Generator], np.ndarray]


def constant(draw: np.random.Generator) -> np.ndarray:
    """The same for all images, and far from how frequent the classes are, as after a weighted loss."""
    return np.tile([0.2, 0.2, 0.6], (IMAGES, 1))


def guessing(draw: np.random.Generator) -> np.ndarray:
    """Sure of itself, whatever the image."""
    return draw.dirichlet([0.3] * CLASSES, IMAGES)


def knowing(draw: np.random.Generator) -> np.ndarray:
    """Right a little more often than by chance, and weighting the classes alike."""
    logits = draw.normal(0, 1, (IMAGES, CLASSES))
    logits[np.arange(IMAGES), LABELS] += 0.6
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def contender(name: str, say: Say, seeds: int = 2) -> Contender:
    scores, images, calibrated, answers = {}, {}, {}, {}
    for seed in range(seeds):
        found = say(np.random.default_rng([seed, len(name)]))
        right = found.argmax(axis=1) == LABELS
        scores[seed] = float(right.mean())
        images[seed] = ImageScores(np.arange(IMAGES), None, right)
        calibrated[seed] = scaled_losses(found, LABELS)
        lost = float(constant_losses(LABELS, CLASSES).mean())
        answers[seed] = Answers(agreement(found, LABELS), lost)
    return Contender(name, "none" if name == "none" else "policy", scores, {}, images, calibrated, answers)


def test_an_answer_that_is_the_same_for_all_images_loses_what_the_classes_leave_open():
    labels = np.arange(300) % 3
    assert constant_losses(labels, 3).mean() == pytest.approx(np.log(3))
    assert constant_losses(np.array([0, 0, 0, 1]), 3).tolist() == pytest.approx(
        [-np.log(0.75)] * 3 + [np.log(4)]
    )


def test_the_agreement_of_an_answer_that_is_the_same_for_all_images_is_zero_and_of_a_right_one_what_chance_leaves():
    assert agreement(constant(np.random.default_rng(0)), LABELS).mean() == pytest.approx(0, abs=1e-12)
    shares = np.bincount(LABELS) / IMAGES
    assert agreement(np.eye(CLASSES)[LABELS], LABELS).mean() == pytest.approx(1 - (shares**2).sum())


def test_where_no_contender_looks_at_the_images_it_is_said_with_what_to_do():
    said = unlearnt([contender("none", constant), contender("iteration 1", guessing)], "2 epochs (20 steps)")
    assert said.startswith(
        "nothing was learnt in 2 epochs (20 steps), as far as 240 validation images can show: the validation loss is "
    )
    assert "--training.learning_rate" in said


def test_the_images_are_counted_and_the_groups_that_they_are_of():
    idle = contender("none", constant, seeds=3)

    def said(*ids: np.ndarray) -> str:
        images = {seed: replace(idle.images[seed], ids=each) for seed, each in enumerate(ids)}
        return unlearnt([replace(idle, images=images)], "2 epochs")

    patients = np.random.default_rng(0).permutation(np.arange(IMAGES) % 20)
    assert "as far as 240 validation images in 20 groups can show" in said(patients, patients, patients)
    assert "as far as 480 validation images in 40 groups can show" in said(patients, patients + 20, patients)
    alone = np.arange(IMAGES)
    assert "as far as 480 validation images can show" in said(alone, alone + IMAGES, alone)


def test_one_contender_that_has_learnt_is_enough_though_its_loss_is_above_that_of_a_constant_answer():
    taught = contender("iteration 2", knowing)
    lost = np.mean([each.mean() for each in taught.calibrated.values()])
    assert lost > taught.answers[0].constant
    assert unlearnt([contender("none", guessing), taught], "2 epochs") == ""


def test_seeds_that_have_learnt_unequally_much_have_learnt():
    """Their mean is less sure than either of them: with two seeds, it is within twice its standard error of nothing."""

    def unequal(draw: np.random.Generator) -> np.ndarray:
        logits = draw.normal(0, 1, (IMAGES, CLASSES))
        logits[np.arange(IMAGES), LABELS] += draw.choice([0.2, 4.0])
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    names = ["x" * length for length in range(1, 9)]
    taught = [contender(name, unequal) for name in names]
    different = [each for each in taught if np.ptp(list(each.scores.values())) > 0.2]
    assert different
    assert not any(
        agrees({s: a.agreement for s, a in each.answers.items()}, None, True) for each in different
    )
    assert all(unlearnt([each], "2 epochs") == "" for each in different)


def test_a_network_that_was_never_trained_has_not_learnt():
    """A random network sees some classes by chance: in a single seed that is more than the images explain."""

    def untrained(draw: np.random.Generator) -> np.ndarray:
        logits = draw.normal(0, 0.3, (IMAGES, CLASSES))
        logits += draw.normal(0, 0.05, (CLASSES, CLASSES))[LABELS]
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    shown = 0
    for seed in range(200):
        found = untrained(np.random.default_rng(seed))
        lost, agreed = float(scaled_losses(found, LABELS).mean()), agreement(found, LABELS)
        shown += agrees({0: agreed}, None, True)
        constant = float(constant_losses(LABELS, CLASSES).mean())
        assert not one_has_learnt({0: lost}, {0: constant}, {0: agreed}, None)
    assert shown > 15


def test_images_of_one_patient_are_one_draw():
    by_patient = {0: np.repeat([0.5, -0.3, 0.4, -0.3, 0.5, -0.2], 40)}
    patients = {0: [str(number // 40) for number in range(IMAGES)]}
    assert agrees(by_patient, None, shared=True)
    assert not agrees(by_patient, patients, shared=True)
    assert not agrees(by_patient, {0: ["one"] * IMAGES}, shared=True)


def test_guessing_is_seldom_taken_for_learning():
    said = [unlearnt([contender("x" * length, guessing)], "2 epochs") for length in range(1, 101)]
    assert sum(each == "" for each in said) <= 6


def test_nothing_is_said_where_predictions_were_not_kept():
    assert unlearnt([Contender("none", "none", {0: 0.5}, {})], "2 epochs") == ""
    assert unlearnt([], "2 epochs") == ""


def test_that_nothing_was_learnt_is_said_with_what_to_do():
    text = nothing_learnt("up to 12 epochs (480 steps)", 1.1, 1.098)
    assert text.startswith(
        "nothing was learnt in up to 12 epochs (480 steps): the validation loss is 1.10, and 1.10 "
    )
    assert "--training.learning_rate" in text


def test_of_several_labels_an_image_chance_is_that_of_each_label():
    labels = np.random.default_rng(0).integers(0, 2, (40, 3))
    same = np.tile([0.2, 0.5, 0.9], (40, 1))
    assert agreement(same, labels).mean() == pytest.approx(0, abs=1e-12)
    shares = labels.mean(axis=0)
    assert agreement(labels.astype(float), labels).mean() == pytest.approx((2 * shares * (1 - shares)).mean())
    entropy = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares)).mean()
    assert constant_losses(labels, 3).mean() == pytest.approx(entropy)


@pytest.mark.parametrize(
    ("say", "seeds", "groups", "shown"),
    [
        (constant, 3, None, False),
        (knowing, 3, None, True),
        (knowing, 1, None, False),
        (knowing, 3, ["one patient"] * IMAGES, False),
    ],
)
def test_right_answers_alone_show_whether_something_was_learnt(
    say: Say, seeds: int, groups: list[str] | None, shown: bool
):
    answers = [say(np.random.default_rng(seed)).argmax(axis=1) for seed in range(seeds)]
    correct = {seed: (each == LABELS).astype(float) for seed, each in enumerate(answers)}
    assert learnt_on(correct, LABELS, groups) == shown


def test_right_answers_of_who_guesses_seldom_show_it():
    def guessed(seed: int) -> np.ndarray:
        return guessing(np.random.default_rng(seed)).argmax(axis=1) == LABELS

    shown = [learnt_on({0: guessed(2 * pair), 1: guessed(2 * pair + 1)}, LABELS, None) for pair in range(200)]
    assert sum(shown) <= 12


def test_a_test_that_shows_more_than_validation_is_believed():
    assert caution("", 40) == ""
    assert caution("nothing was learnt in 1 epoch", 0).endswith("1 epoch. What follows rests on chance.")
    said = caution("nothing was learnt in 1 epoch", 40)
    assert said.startswith("Nothing was learnt in 1 epoch. The 40 test images do show that something was: ")
    assert "rests on chance" not in said
