"""Whether a training was long enough, by clean images: on measured curves, and at the edges of the rule."""

import pytest

from evaluators.fit import BY_HEART, FALLING, LEARNT, RISEN, Training, mean_training

NONE_8 = (0.6877, 0.4868, 0.4559, 0.5455, 0.4485, 0.4546, 0.4668, 0.4610)
NONE_24 = (
    *(0.6489, 0.5412, 0.4692, 0.4566, 0.6044, 0.4898, 0.4419, 0.4771, 0.4871, 0.5352, 0.5037, 0.5115),
    *(0.5640, 0.6082, 0.5520, 0.5872, 0.5758, 0.5718, 0.5776, 0.5490, 0.5622, 0.5751, 0.5700, 0.5626),
)
AFFINE_8 = (0.6712, 0.4820, 0.4562, 0.4496, 0.4605, 0.4463, 0.4415, 0.4413)
TRIVIAL_8 = (0.5879, 0.5021, 0.5271, 0.4741, 0.4714, 0.4705, 0.4791, 0.4782)


@pytest.mark.parametrize(
    ("training", "state"),
    [
        (Training(0.340, 0.855, NONE_8), "fine"),
        (Training(0.048, 1.000, NONE_24), "over-trained"),
        (Training(0.441, 0.777, AFFINE_8), "unfinished"),
        (Training(0.490, 0.715, TRIVIAL_8), "stalled"),
    ],
    ids=["none-8", "none-24", "affine-8", "trivial-8"],
)
def test_trainings_on_dermoscopy_images_are_told_as_they_are(training: Training, state: str) -> None:
    """No augmentation is best after 8 epochs and over-trains after that; the others are better when they go on."""
    assert training.state == state


def falling(by: float, start: float = 0.5) -> tuple[float, ...]:
    """Eight epochs whose last quarter is lower than the one before by the share `by`."""
    return (0.9, 0.8, 0.7, 0.6, start, start, start * (1 - by), start * (1 - by))


class TestTheRule:
    def test_a_policy_that_is_still_learning_is_never_called_too_strong(self) -> None:
        assert Training(0.6, 0.5, falling(0.05)).state == "unfinished"

    def test_what_is_learnt_is_finished_however_the_loss_moves(self) -> None:
        assert Training(0.4, LEARNT, falling(0.05)).state == "fine"
        assert Training(0.4, LEARNT - 0.01, falling(0.05)).state == "unfinished"

    def test_a_fall_must_be_noticeable(self) -> None:
        assert Training(0.4, 0.85, falling(FALLING * 1.2)).state == "unfinished"
        assert Training(0.4, 0.85, falling(FALLING * 0.8)).state == "fine"

    def test_images_known_by_heart_are_over_fitting_also_while_the_loss_falls(self) -> None:
        losses = falling(0.05)
        assert Training(losses[-1] / (BY_HEART * 1.01), 0.9, losses).state == "over-fitting"
        assert Training(losses[-1] / (BY_HEART * 0.99), 0.9, losses).state == "unfinished"

    def test_a_loss_that_rose_from_its_minimum_is_over_trained(self) -> None:
        low = (0.9, 0.5, 0.5, 0.5, 0.51, 0.52)
        assert Training(0.3, 0.9, (*low, 0.53, 0.5 * (1 + RISEN) + 0.001)).state == "over-trained"
        assert Training(0.4, 0.9, (*low, 0.52, 0.5 * (1 + RISEN) - 0.001)).state != "over-trained"

    def test_one_lucky_epoch_is_no_minimum(self) -> None:
        losses = (0.9, 0.6, 0.3, 0.6, 0.55, 0.52, 0.50, 0.50)
        assert Training(0.45, 0.85, losses).state == "unfinished"

    def test_of_a_few_epochs_no_slope_is_known(self) -> None:
        assert Training(0.6, 0.5, (0.9, 0.6, 0.3)).last_quarter is None
        assert Training(0.6, 0.5, (0.9, 0.6, 0.55)).state == "unfinished"
        assert Training(0.4, 0.5, (0.9, 0.6, 0.55)).state == "fine"


class TestMeans:
    def test_they_are_over_seeds_epoch_by_epoch(self) -> None:
        found = mean_training([(0.2, 0.8, [0.6, 0.4]), (0.4, 0.6, [0.8, 0.6])])
        assert found is not None
        assert (found.clean_loss, found.clean_accuracy) == pytest.approx((0.3, 0.7))
        assert found.validation_losses == pytest.approx((0.7, 0.5))

    def test_without_a_trial_there_is_none(self) -> None:
        assert mean_training([]) is None
        assert mean_training([(0.2, 0.8, [])]) is None

    def test_lengths_are_not_mixed(self) -> None:
        found = mean_training([(0.2, 0.8, [0.6, 0.4]), (0.2, 0.8, [0.6, 0.4]), (0.1, 0.9, [0.6, 0.4, 0.3])])
        assert found is not None
        assert found.validation_losses == (0.6, 0.4)
