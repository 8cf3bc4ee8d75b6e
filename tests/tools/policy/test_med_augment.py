"""MedAugment as an operation: its spaces, its level, and the share of images that it leaves as they are."""

import numpy as np
import pytest
import torch

from tests.tools.policy.pictures import picture
from tools.policy.built_policy import build
from tools.policy.named import parse_with_defaults
from tools.policy.transforms import MedAugment, as_tensor


def views(level: int, branches: int, count: int, side: int = 32) -> list[torch.Tensor]:
    built = build(parse_with_defaults(f"med_augment(level={level}, branches={branches})"), side, 2)
    torch.manual_seed(0)
    return [built.augment(picture(side)) for _ in range(count)]


@pytest.mark.parametrize("branches", [1, 4])
def test_one_image_in_branches_and_one_more_is_left_as_it_is(branches):
    image = as_tensor(picture(32))
    untouched = sum(torch.equal(view, image) for view in views(5, branches, 600)) / 600

    # A few that were drawn to be changed change no pixel, such as a shift of less than one.
    assert untouched == pytest.approx(1 / (branches + 1), abs=0.06)


def test_the_level_decides_how_much_is_changed():
    image = as_tensor(picture(32)).float()

    def change(level: int) -> float:
        return float(np.mean([(view.float() - image).abs().mean() for view in views(level, 8, 300)]))

    assert change(1) < change(3) < change(5)


@pytest.mark.parametrize("operation", range(6))
def test_the_pixel_space_moves_nothing(operation):
    """A vertical edge stays where it is, whatever happens to its two sides."""
    image = np.full((24, 24, 3), 60, np.uint8)
    image[:, 12:] = 180
    for seed in range(10):
        torch.manual_seed(seed)
        found = MedAugment(5, 4)._pixels(as_tensor(image), operation).float().mean((0, 1))
        assert found.diff().argmax() == 11


@pytest.mark.parametrize("operation", range(8))
def test_the_spatial_space_keeps_the_grey_levels_of_a_plain_image(operation):
    image = as_tensor(np.full((24, 24, 3), 90, np.uint8))
    torch.manual_seed(1)
    assert torch.equal(MedAugment(5, 4)._place(image, operation), image)


@pytest.mark.parametrize(("operation", "axis"), [(6, 1), (7, 0)])
def test_a_shift_goes_along_one_axis_by_a_tenth_of_the_side_at_most(operation, axis):
    image = np.zeros((50, 50, 3), np.uint8)
    image[20:30, 20:30] = 255
    moved = []
    for seed in range(20):
        torch.manual_seed(seed)
        found = MedAugment(5, 4)._place(as_tensor(image), operation).float().mean(0).numpy()
        weights = found / found.sum()
        centre = [float((weights.sum(1 - each) * np.arange(50)).sum()) - 24.5 for each in (0, 1)]
        assert abs(centre[1 - axis]) < 0.1
        moved.append(centre[axis])
    assert min(moved) >= 0
    assert 3 < max(moved) <= 5.1
