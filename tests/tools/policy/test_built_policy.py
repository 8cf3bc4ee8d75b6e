"""What the built operations do to images and batches."""

import pickle
import random
import warnings

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from tests.tools.policy.pictures import alone, batch, grey_picture, picture
from tools.errors import ConfigurationError
from tools.policy import transforms
from tools.policy.built_policy import BuiltPolicy, build
from tools.policy.canonical import parse_one_line
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.policy import Operation, Parameter, Policy

ON_IMAGE = [name for name, spec in CATALOGUE.items() if spec.stage != "batch"]
ON_BATCH = ["mixup", "cutmix"]
KEEP_GREY = [name for name in ON_IMAGE if name not in ("gaussian_noise", "med_augment")]
"""Noise is drawn for each channel, as a sensor's is (MedAugment's as well); everything else must not invent colour."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _views(built: BuiltPolicy, image: np.ndarray, count: int = 8, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.stack([built.augment(image) for _ in range(count)])


def _original(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)


def test_every_operation_gives_images_of_the_same_shape_and_type_and_changes_some():
    for name in ON_IMAGE:
        image = picture(32)

        views = _views(alone(name), image)

        assert views.shape == (8, 3, 32, 32), name
        assert views.dtype == torch.uint8, name
        assert (views != _original(image)).any(), name


def test_the_same_seed_gives_the_same_images():
    for name in ON_IMAGE:
        built, image = alone(name), picture(32)

        assert torch.equal(_views(built, image, seed=3), _views(built, image, seed=3)), name


RANDOM = [name for name in ON_IMAGE if CATALOGUE[name].parameters and name not in ("posterize", "solarize")]


def test_another_seed_gives_other_images():
    for name in (*RANDOM, "channel_shuffle", "trivial_augment_wide", "auto_augment"):
        built, image = alone(name), picture(32)

        assert not torch.equal(_views(built, image, seed=3), _views(built, image, seed=4)), name


def test_no_other_source_of_chance_is_used():
    for name in ON_IMAGE:
        built, image = alone(name), picture(32)
        results = []
        for other in (1, 2):
            np.random.seed(other)
            random.seed(other)
            cv2.setRNGSeed(other)
            results.append(_views(built, image, count=3))

        assert torch.equal(*results), name


@pytest.mark.parametrize("side", [16, 224])
@pytest.mark.parametrize("end", ["low", "high"])
def test_both_ends_of_every_range_work_at_small_and_at_large_sizes(side, end):
    for name in ON_IMAGE:
        numbers = {spec.name: getattr(spec, end) for spec in CATALOGUE[name].parameters}
        if name == "affine" and end == "low":
            numbers["degrees"] = 1  # all zero changes nothing and is refused

        views = _views(alone(name, side, **numbers), picture(side), count=2)

        assert views.shape == (2, 3, side, side), name


@pytest.mark.parametrize("side", [8, 33])
def test_no_operation_warns(side):
    for name in ON_IMAGE:
        built = alone(name, side)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for image in (picture(side), np.zeros((side, side, 3), np.uint8)):
                _views(built, image)
    for name in ON_BATCH:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            alone(name).mix(*batch())


@pytest.mark.skipif(not hasattr(v2, "JPEG"), reason="this torchvision has no JPEG encoder to compare with")
@pytest.mark.parametrize("side", [8, 15, 32, 33, 64])
def test_jpeg_gives_the_pixels_that_torchvision_gives(side):
    """Trials that an earlier version trained with `jpeg` keep their keys, so they must keep their meaning."""
    quality = (30, 100)
    noise = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    for image in (picture(side), noise):
        ours, theirs = transforms.Jpeg(quality), v2.JPEG(quality)
        for seed in range(20):
            torch.manual_seed(seed)
            expected = theirs(_original(image))
            torch.manual_seed(seed)
            assert torch.equal(ours(_original(image)), expected), (side, seed)


@pytest.mark.parametrize("name", ["brightness", "contrast"])
@pytest.mark.parametrize("strength", [0.02, 0.5, 0.9])
def test_light_has_the_pixels_of_torchvision_on_pillow_images(name, strength):
    noise = np.random.default_rng(0).integers(0, 256, (60, 17, 17, 3), dtype=np.uint8)
    flat = [np.full((8, 8, 3), level, np.uint8) for level in (0, 1, 127, 254, 255)]
    theirs = v2.Compose([v2.ToPILImage(), v2.ColorJitter(**{name: strength}), v2.PILToTensor()])
    for seed, image in enumerate([*noise, *flat, picture(32)]):
        torch.manual_seed(seed)
        ours = alone(name, side=len(image), strength=strength).augment(image)
        following = torch.rand(1)
        torch.manual_seed(seed)

        assert torch.equal(ours, theirs(image))
        assert torch.equal(following, torch.rand(1))  # as many numbers were drawn


def test_a_probability_draws_the_number_that_random_apply_draws():
    image = picture(16)
    ours = build(parse_one_line("horizontal_flip(p=0.5) > rotate(p=0.3, degrees=30)"), 16, 2)
    flip, turn = v2.RandomHorizontalFlip(0.5), transforms.Affine((-30, 30))
    theirs = v2.Compose([flip, v2.RandomApply([turn], p=0.3)])
    for seed in range(40):
        torch.manual_seed(seed)
        found = ours.augment(image)
        torch.manual_seed(seed)
        assert torch.equal(found, theirs(transforms.as_tensor(image.copy())))


def test_grey_images_stay_grey():
    for name in KEEP_GREY:
        views = _views(alone(name), grey_picture(32)).int()

        assert (views[:, 0] - views[:, 1]).abs().max() == 0, name
        assert (views[:, 0] - views[:, 2]).abs().max() == 0, name


def test_flat_images_pass_through_every_operation():
    for name in ON_IMAGE:
        for level in (0, 255):
            flat = np.full((32, 32, 3), level, dtype=np.uint8)

            assert _views(alone(name), flat, count=3).shape == (3, 3, 32, 32), name


def test_a_transform_of_no_strength_changes_nothing():
    image = _original(picture(32))
    for neutral in (
        transforms.Affine(degrees=(0, 0)),
        transforms.Perspective(distortion_scale=0, p=1),
        transforms.Elastic(displacement=0, cells=3),
        transforms.Gamma(gamma=1),
        transforms.GaussianNoise(sigma=0),
    ):
        assert torch.equal(neutral(image), image), neutral
    sharpened = transforms.Sharpness(strength=0)(Image.fromarray(picture(32)))
    assert np.array_equal(np.asarray(sharpened), picture(32))


def test_hue_of_no_strength_loses_no_more_than_eight_bit_rounding():
    image = _original(picture(32))

    assert (transforms.Hue(shift=0)(image).int() - image.int()).abs().max() <= 4


def test_hue_turns_red_by_a_third_of_the_wheel_into_green_or_blue():
    red = np.full((8, 8, 3), (200, 0, 0), dtype=np.uint8)
    torch.manual_seed(0)

    colours = {tuple(alone("hue", 8, shift=0.5).augment(red)[:, 0, 0].tolist()) for _ in range(200)}

    assert any(g > 150 and r < 60 and b < 60 for r, g, b in colours)
    assert any(b > 150 and r < 60 and g < 60 for r, g, b in colours)


@pytest.mark.parametrize(
    "arguments",
    [
        {"degrees": 0, "shear": (-30, 30, -30, 30)},
        {"degrees": 90, "translate": (0.2, 0.2), "scale": (0.8, 1.2), "shear": (-20, 20, -20, 20)},
    ],
)
def test_affine_moves_pixels_as_torchvision_does(arguments):
    image = picture(64)
    fill = [int(value) for value in transforms.border_colour(image)]
    reference = v2.RandomAffine(**arguments, interpolation=v2.InterpolationMode.BILINEAR, fill=fill)
    for seed in range(5):
        torch.manual_seed(seed)
        ours = transforms.as_array(transforms.Affine(**arguments)(_original(image)))
        torch.manual_seed(seed)
        theirs = np.asarray(reference(Image.fromarray(image)))

        assert np.percentile(np.abs(ours.astype(int) - theirs), 95) <= 2  # the rest is the seam to the fill


@pytest.mark.parametrize("severity", [5, 10])  # at 10, posterizing may keep no bits, which Pillow refuses
def test_aug_mix_is_that_of_torchvision_up_to_rounding(severity):
    image = Image.fromarray(picture(96))
    ours, theirs = (kind(severity=severity, mixture_width=3) for kind in (transforms.AugMix, v2.AugMix))
    for seed in range(30):
        torch.manual_seed(seed)
        mine = np.asarray(ours(image)).astype(int)
        torch.manual_seed(seed)

        assert np.abs(mine - np.asarray(theirs(image))).mean() < 1.5


LOWER_IS_STRONGER = {"threshold", "bits", "quality", "scale_min", "keep"}
STRENGTHS = [
    (name, parameter)
    for name in ON_IMAGE
    for parameter in CATALOGUE[name].parameters
    if parameter.name not in ("cells", "tiles", "unit", "mixture_width")  # another structure, not more of it
]


def test_more_of_a_parameter_changes_the_image_more():
    image = picture(96)  # large enough for the clip limit of CLAHE to matter

    def change(name: str, parameter: str, value: float) -> float:
        views = _views(alone(name, 96, **{parameter: value}), image, count=30)
        return (views.int() - _original(image).int()).abs().float().mean().item()

    for name, spec in STRENGTHS:
        weak, strong = sorted((spec.low, spec.high), reverse=spec.name in LOWER_IS_STRONGER)
        assert change(name, spec.name, strong) > change(name, spec.name, weak), (name, spec.name)


def test_geometry_fills_with_the_colour_of_the_border():
    image = picture(32)
    image[:2] = image[-2:] = (210, 160, 150)
    image[:, :2] = image[:, -2:] = (210, 160, 150)
    torch.manual_seed(1)

    corners = _views(alone("rotate", degrees=45), image)[:, :, 0, 0]

    assert (corners - torch.tensor([210, 160, 150])).abs().max() <= 1


def test_erasing_covers_about_the_share_it_was_given_with_the_mean_colour():
    image = picture(64)
    views = _views(alone("erasing", 64, area=0.3), image, count=50)

    shares = (views != _original(image)).any(dim=1).float().mean(dim=(1, 2))

    assert 0.1 < shares.mean() < 0.25  # drawn from 0.02 to 0.3
    assert shares.max() <= 0.32
    changed = views[0][:, (views[0] != _original(image)).any(dim=0)]
    assert (changed.float() - image.mean(axis=(0, 1))[:, None]).abs().max() <= 1


def test_grid_mask_keeps_the_share_of_the_paper():
    for keep in (0.3, 0.6, 0.9):
        image = picture(224)
        views = _views(alone("grid_mask", 224, keep=keep, unit=0.3), image, count=30)

        kept = (views == _original(image)).all(dim=1).float().mean()

        assert kept == pytest.approx(1 - (1 - keep) ** 2, abs=0.05)  # Chen et al. 2020, equation 2


def test_elastic_displaces_by_the_share_of_the_side_it_was_given():
    ramp = np.repeat(np.arange(224, dtype=np.uint8)[None, :, None], 224, axis=0).repeat(3, axis=2)

    shifts = _views(alone("elastic", 224, displacement=0.03, cells=3), ramp, count=40).float() - _original(
        ramp
    )

    centre = shifts[:, 0, 56:168, 56:168]  # away from the border, which mirrors
    assert centre.square().mean().sqrt() == pytest.approx(0.03 * 224, rel=0.35)


def test_an_operation_is_applied_with_its_probability():
    for name, probability in (("invert", 0.25), ("gamma", 0.5), ("rotate", 0.5)):
        operation = default_operation(name).model_copy(update={"probability": probability})
        built = build(Policy(operations=[operation]), 16, classes=2)
        image = picture(16)

        changed = (_views(built, image, count=600) != _original(image)).flatten(1).any(dim=1).float().mean()

        assert changed == pytest.approx(probability, abs=0.07), name


def test_operations_are_applied_in_the_order_given():
    image = picture(32)
    then = build(parse_one_line("invert(p=1) > posterize(p=1, bits=2)"), 32, 2).augment(image)

    assert torch.equal(then, v2.functional.posterize(v2.functional.invert(_original(image)), 2))


def test_no_augmentation_returns_the_image():
    image = picture(32)
    built = build(Policy(operations=[]), 32, classes=2)

    assert built.is_identity
    assert not built.has_mix
    assert torch.equal(built.augment(image), _original(image))


def test_the_source_image_is_never_changed_nor_shared():
    for text in ("no augmentation", "invert(p=1)", "equalize(p=1)", "rotate(p=1, degrees=20)"):
        image = picture(32)
        image.setflags(write=False)  # as in a read-only memory map
        view = build(parse_one_line(text), 32, 2).augment(image)

        view.fill_(0)

        assert np.array_equal(image, picture(32)), text


def test_a_built_policy_survives_the_way_to_a_loader_process():
    for name in CATALOGUE:
        built = alone(name)
        copy = pickle.loads(pickle.dumps(built))

        assert torch.equal(_views(copy, picture(32), count=2), _views(built, picture(32), count=2)), name


def test_an_invalid_policy_is_not_built():
    bad = Policy(
        operations=[Operation(name="posterize", probability=1, parameters=[Parameter(name="bits", value=9)])]
    )

    with pytest.raises(ConfigurationError, match=r"bits=9.*from 1 to 7"):
        build(bad, 32, 2)
