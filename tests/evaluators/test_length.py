"""Curves with known truth: how long to train, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.learning import constant_losses
from evaluators.length import (
    Curve,
    Point,
    change,
    is_done,
    reference_length,
    scaled_losses,
    sentence,
    study_length,
    too_short,
)
from evaluators.length_costs import Costs, lengths_within, may_try, second_lengths, seeds_for

IMAGES = 300
_DRAW = np.random.default_rng(5)
_IMAGE = _DRAW.normal(0, 0.3, IMAGES)
"""How hard each image is: the same for every training."""


def point(epochs: int, loss: float, score: float = 0.7, seeds: int = 2, noise: float = 0.02) -> Point:
    """A training whose mean loss is `loss` but for `noise` in each image."""
    draw = np.random.default_rng(epochs)
    losses = {seed: loss + _IMAGE + draw.normal(0, noise, IMAGES) for seed in range(seeds)}
    return Point(epochs, score, loss, losses)


def curve(arm: str, losses: dict[int, float], scores: dict[int, float] | None = None) -> Curve:
    return Curve(
        arm, tuple(point(epochs, loss, (scores or {}).get(epochs, 0.7)) for epochs, loss in losses.items())
    )


SKIN_NONE = curve("no augmentation", {8: 0.45, 16: 0.50, 32: 0.62}, {8: 0.772, 16: 0.76, 32: 0.74})
SKIN_DEFAULT = curve("default", {8: 0.47, 16: 0.45, 32: 0.42, 64: 0.44}, {32: 0.792})


def test_no_augmentation_keeps_its_short_length_and_the_default_its_long_one():
    assert SKIN_NONE.best.epochs == 8
    assert SKIN_DEFAULT.best.epochs == 32
    text = sentence(SKIN_NONE, SKIN_DEFAULT, 32, 8)
    assert text == (
        "No augmentation is best after 8 epochs (77.2) and over-trains after that; the default is best after 32 epochs "
        "(79.2) and over-trains after that. The study trains 32 epochs; no augmentation keeps its 8."
    )


def test_every_sentence_says_only_what_the_curve_shows():
    growing = curve("default", {8: 0.6, 16: 0.5, 32: 0.4})
    flat = curve("default", {8: 0.5, 16: 0.4, 32: 0.4001})
    level = curve("no augmentation", {8: 0.5, 16: 0.5001})
    text = sentence(level, growing, 32, 8)
    assert "the default goes on to 32 epochs (70.0) and is not done there." in text
    assert "No augmentation is as good after 8 epochs (70.0) as after 16" in text
    text = sentence(curve("no augmentation", {8: 0.5}), flat, 16, 8)
    assert "No augmentation was tried at 8 epochs (70.0) only" in text
    assert "the default goes on to 16 epochs (70.0) and gains nothing more by 32." in text
    assert sentence(level, flat, 16, 16).endswith("The study trains 16 epochs, and so does no augmentation.")


def test_of_lengths_that_are_equal_within_noise_the_shortest_is_best():
    noisy = Curve("default", (point(8, 0.6), point(16, 0.4004, noise=0.02), point(32, 0.4, noise=0.02)))
    assert noisy.best.epochs == 16
    assert noisy.ended
    assert not noisy.unfinished
    assert not noisy.over_trains


def test_a_curve_goes_on_while_a_doubling_improves_by_more_than_its_noise():
    assert not curve("default", {8: 0.6}).ended
    assert curve("default", {8: 0.6, 16: 0.5}).unfinished
    assert curve("default", {8: 0.6, 16: 0.7}).ended


def test_lengths_go_on_while_either_of_the_two_improves():
    flat, growing = curve("default", {8: 0.6, 16: 0.6001}), curve("no augmentation", {8: 0.6, 16: 0.5})
    assert not is_done(growing, flat)
    assert is_done(curve("no augmentation", {8: 0.5, 16: 0.6}), flat)
    assert is_done(curve("no augmentation", {}), flat)
    assert not is_done(curve("no augmentation", {8: 0.5, 16: 0.6}), curve("default", {8: 0.6, 16: 0.5}))
    assert is_done(growing, curve("default", {}))


def test_the_study_trains_no_shorter_than_no_augmentation_needs_unless_the_default_is_shown_to_be_worse_there():
    growing = curve("no augmentation", {8: 0.6, 16: 0.5})
    assert study_length(growing, curve("default", {8: 0.6, 16: 0.6001})) == 16
    assert study_length(growing, curve("default", {8: 0.5, 16: 0.6})) == 8
    assert study_length(SKIN_NONE, SKIN_DEFAULT) == 32
    assert study_length(curve("no augmentation", {}), SKIN_DEFAULT) == 32


LABELS = np.arange(IMAGES) % 3
CONSTANT = Point(0, 0.0, float(np.log(3)), {seed: constant_losses(LABELS, 3) for seed in range(2)})


def at_chance(arm: str, losses: dict[int, float]) -> Curve:
    return Curve(arm, curve(arm, losses).points, constant=CONSTANT)


def test_lengths_go_on_while_nothing_was_learnt():
    flat = {6: float(np.log(3)), 12: float(np.log(3))}
    none, default = at_chance("no augmentation", flat), at_chance("default", flat)
    assert not none.learnt
    assert not default.learnt
    assert not none.ended
    assert not is_done(none, default)
    later = at_chance("default", {**flat, 24: 0.5, 48: 0.5})
    assert later.learnt
    assert is_done(at_chance("no augmentation", {**flat, 24: 0.4, 48: 0.4}), later)
    # of the two, only no augmentation has learnt: the default gets the longest training that was tried
    assert (
        study_length(at_chance("no augmentation", {**flat, 24: 0.4}), at_chance("default", {**flat, 24: 1.1}))
        == 24
    )


def test_no_augmentation_that_has_learnt_nothing_gets_the_length_of_the_study():
    """Its best length would be chance: here, the shortest, or one at which it is a little lower than elsewhere."""
    chance = float(np.log(3))
    default = at_chance("default", {6: chance, 12: 0.9, 24: 0.7, 48: 0.5})
    none = at_chance("no augmentation", dict.fromkeys((6, 12, 24, 48), chance))
    assert (none.learnt, none.best.epochs) == (False, 6)
    assert (study_length(none, default), reference_length(none, 48)) == (48, 48)
    text = sentence(none, default, 48, reference_length(none, 48))
    assert text.startswith("No augmentation has learnt nothing in up to 48 epochs")
    assert text.endswith("The study trains 48 epochs, and so does no augmentation.")

    level = at_chance("default", {6: chance, 12: 0.7, 24: 0.7, 48: 0.7})
    falling = at_chance("no augmentation", {6: 1.4, 12: 1.3, 24: 1.3, 48: 1.2})
    assert (falling.learnt, falling.best.epochs) == (False, 48)
    assert study_length(falling, level) == 12

    learnt = at_chance("no augmentation", {6: 0.5, 12: 0.6, 24: 0.7})
    assert reference_length(learnt, 48) == 6
    assert reference_length(at_chance("no augmentation", {}), 48) == 48


def test_a_length_is_learnt_where_its_answers_agree_with_the_classes_though_its_loss_is_that_of_a_constant():
    """Of unequal classes that are weighted alike, the loss says little."""
    unsure = at_chance("default", {6: float(np.log(3))})
    draw = np.random.default_rng(2)
    agreeing = {seed: 0.1 + draw.normal(0, 0.3, IMAGES) for seed in range(2)}
    [only] = unsure.points
    assert replace(unsure, points=(replace(only, agreements=agreeing),)).learnt
    idle = {seed: each - each.mean() for seed, each in agreeing.items()}
    assert not replace(unsure, points=(replace(only, agreements=idle),)).learnt


def test_the_noise_is_that_of_paired_images_and_of_seeds():
    shorter, longer = point(8, 0.5, seeds=1, noise=0.1), point(16, 0.45, seeds=1, noise=0.1)
    alone = change(shorter, longer, None)
    assert alone.noise == pytest.approx(0.1 * 2**0.5 / IMAGES**0.5, rel=0.2)
    apart = Point(16, 0.7, 0.45, {0: longer.losses[0], 1: longer.losses[0] + 0.2})
    both = change(Point(8, 0.7, 0.5, {0: shorter.losses[0], 1: shorter.losses[0]}), apart, None)
    assert both.noise > 0.1
    assert not both.improves


def test_images_of_one_group_are_one_draw():
    draw = np.random.default_rng(0)
    by_group = np.repeat(draw.normal(0, 0.2, IMAGES // 10), 10)
    shorter, longer = Point(8, 0.7, 0.5, {0: by_group + 0.5}), Point(16, 0.7, 0.5, {0: np.full(IMAGES, 0.5)})
    groups = {0: [f"patient {number // 10}" for number in range(IMAGES)]}
    apart, together = change(shorter, longer, None), change(shorter, longer, groups)
    assert together.noise == pytest.approx(apart.noise * 10**0.5, rel=0.05)


def test_seeds_that_validate_on_their_own_images_are_more_draws():
    shorter, longer = point(8, 0.5, noise=0.1), point(16, 0.5, noise=0.1)
    same = dict.fromkeys(range(2), longer.losses[0])
    shared = change(Point(8, 0, 0, dict.fromkeys(range(2), shorter.losses[0])), Point(16, 0, 0, same), None)
    own = change(
        Point(8, 0, 0, dict.fromkeys(range(2), shorter.losses[0])), Point(16, 0, 0, same), None, shared=False
    )
    assert own.noise == pytest.approx(shared.noise / 2**0.5, rel=0.01)
    names = {seed: [f"fold {seed}, {number}" for number in range(IMAGES)] for seed in range(2)}
    twins = (Point(8, 0, 0, dict.fromkeys(range(2), shorter.losses[0])), Point(16, 0, 0, same))
    assert change(*twins, names, shared=False).noise == pytest.approx(own.noise)


def test_of_lengths_without_a_common_seed_nothing_is_known():
    unknown = change(Point(8, 0, 0, {0: np.zeros(3)}), Point(16, 0, 9, {1: np.ones(3)}), None)
    assert not unknown.improves
    assert not unknown.worsens


def test_being_too_sure_is_taken_out_of_the_loss():
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 3, 400)
    logits = draw.normal(0, 1, (400, 3))
    logits[np.arange(400), labels] += 1

    def probabilities(temperature: float) -> np.ndarray:
        scaled = np.exp(logits / temperature)
        return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)

    sure, calm = (scaled_losses(probabilities(t), labels) for t in (0.2, 2.0))
    assert sure.shape == (400,)
    assert sure.mean() == pytest.approx(calm.mean(), abs=3e-3)
    assert sure.mean() < -np.log(probabilities(0.2)[np.arange(400), labels]).mean()


def test_a_perfect_or_hopeless_classifier_has_a_finite_loss():
    labels = np.array([0, 1, 0])
    assert np.isfinite(scaled_losses(np.eye(2, dtype=np.float32)[labels], labels)).all()
    assert np.isfinite(scaled_losses(np.eye(2, dtype=np.float32)[1 - labels], labels)).all()


def costs(trials: int, allowance: float | None = None) -> Costs:
    return Costs(images=100, trials=trials, smallest=15, allowance=allowance)


def test_a_length_is_tried_only_if_it_stays_within_a_fifth_even_where_it_is_of_no_use():
    # 8 and 16 epochs of two arms are done; the study trains 16 if 32 are of no use.
    spent, reused = 2 * (8 + 16) * 100, 2 * 16 * 100
    extra = spent + 2 * 32 * 100 - reused
    needed = round(extra / (0.2 * 16 * 100))
    assert may_try(costs(needed), spent, 32, 2, 16, reused)
    assert not may_try(costs(needed - 1), spent, 32, 2, 16, reused)


def test_a_limit_in_time_keeps_the_length_so_short_that_the_study_has_a_result():
    assert may_try(costs(1000, allowance=1e6), 0, 32, 2, 16, 0)
    assert not may_try(costs(1000, allowance=15 * 32 * 100), 0, 32, 2, 16, 0)


def test_the_range_of_lengths_is_what_the_share_allows_if_every_doubling_is_of_use():
    # 8 and 16 of two arms, of which the 8 are needed anyway: 32 epochs, a fifth of 20 trainings of 8; but each further
    # length takes 4 L beside the 0.5 L and less of those before, a fifth of more than 22 trainings of L
    assert lengths_within(costs(20), 8, 1, 10_000) == [8, 16]
    assert lengths_within(costs(19), 8, 1, 10_000) == [8]
    assert lengths_within(costs(500), 8, 1, 31) == [8, 16]
    assert lengths_within(costs(500), 8, 1, 32) == [8, 16, 32]
    assert lengths_within(costs(10), 8, 1, 10_000) == [8]


def test_a_limit_in_time_says_how_long_and_how_many_trainings_it_has_room_for():
    limited = costs(50, allowance=15 * 8 * 100)
    assert (limited.longest(), limited.affordable(8), limited.study(30)) == (8, 15, 12_000)
    assert (costs(50).longest(), costs(50).affordable(8)) == (None, 50)


@pytest.mark.parametrize(("trials", "most", "seeds"), [(20, 3, 1), (75, 3, 2), (75, 1, 1), (200, 3, 3)])
def test_the_lengths_have_as_many_seeds_as_the_share_pays_for(trials: int, most: int, seeds: int):
    assert seeds_for(trials, most) == seeds


def test_a_given_length_is_called_too_short_only_where_twice_as_much_is_better():
    none = curve("no augmentation", {30: 0.62, 60: 0.7}, {30: 0.74, 60: 0.735})
    text = too_short(none, curve("default", {30: 0.45, 60: 0.40}, {30: 0.78, 60: 0.80}))
    assert text.startswith(
        "30 epochs are too short for augmentation: the default policy goes on improving (78.0 after 30, "
    )
    assert "no augmentation over-trains (74.0, 73.5)" in text
    text = too_short(none, curve("default", {30: 0.45, 60: 0.4499}))
    assert text.startswith("Nothing speaks for more than 30 epochs")


def test_where_the_default_learns_nothing_a_longer_training_that_is_no_better_says_nothing():
    none, default = at_chance("no augmentation", {2: 1.1, 4: 1.1}), at_chance("default", {2: 1.1, 4: 1.1})
    text = too_short(none, default)
    assert text.startswith("The default policy has learnt nothing in up to 4 epochs")
    assert "Nothing speaks for more" not in text


def test_leaders_that_are_unfinished_are_tried_longer_and_over_trained_ones_shorter():
    leading = [
        ("iteration 3", "unfinished", 30),
        ("default", "over-trained", 30),
        ("iteration 1", "unfinished", 30),
    ]
    assert second_lengths(leading) == [("iteration 3", 60), ("default", 15)]
    assert second_lengths(leading, room=lambda name, epochs: epochs < 50) == [("default", 15)]
    assert second_lengths([("default", "fine", 30), ("none", "over-trained", 1)]) == []
