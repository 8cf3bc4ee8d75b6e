"""What each operation is made of: a transform and its arguments, to be called or printed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torchvision.transforms import v2

from tools.errors import ConfigurationError
from tools.policy import transforms
from tools.policy.canonical import canonical_policy
from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Operation, Policy
from tools.policy.specification import Stage
from tools.policy.validate import check_policy


@dataclass(frozen=True)
class Step:
    """A call of a transform's class. Arguments are plain numbers and tuples, so that they can be printed."""

    transform: type
    arguments: dict[str, Any]
    draws_itself: bool = False
    """Whether the transform takes the probability as its own argument `p`; else `v2.RandomApply` decides."""


@dataclass(frozen=True)
class PlacedStep:
    """A step of a policy, with the probability and the stage it runs on."""

    step: Step
    probability: float
    stage: Stage


Numbers = dict[str, float]


def steps_of(policy: Policy, image_size: int, classes: int) -> list[PlacedStep]:
    """The steps of the policy's canonical form, in order; at most the last is on the batch.

    Raises:
        ConfigurationError: the policy is not valid; names every problem.
    """
    problems = check_policy(policy, 0, len(policy.operations))
    if problems:
        raise ConfigurationError("the policy cannot be built: " + "; ".join(problems))
    return [_place(operation, image_size, classes) for operation in canonical_policy(policy).operations]


def _place(operation: Operation, image_size: int, classes: int) -> PlacedStep:
    numbers = {parameter.name: parameter.value for parameter in operation.parameters}
    for spec in CATALOGUE[operation.name].parameters:
        if spec.integer:
            numbers[spec.name] = int(numbers[spec.name])
    step = STEPS[operation.name](numbers, image_size, classes)
    return PlacedStep(step, operation.probability, CATALOGUE[operation.name].stage)


def _plain(transform: type) -> Callable[[Numbers, int, int], Step]:
    """A transform whose arguments are the operation's parameters, by the same names."""
    return lambda numbers, _size, _classes: Step(transform, dict(numbers))


def _drawing(transform: type) -> Callable[[Numbers, int, int], Step]:
    """The same for a transform that takes its own probability."""
    return lambda numbers, _size, _classes: Step(transform, dict(numbers), draws_itself=True)


def _jitter(argument: str) -> Callable[[Numbers, int, int], Step]:
    return lambda numbers, _size, _classes: Step(v2.ColorJitter, {argument: numbers["strength"]})


def _affine(numbers: Numbers, _size: int, _classes: int) -> Step:
    shear, scale = numbers["shear"], numbers["scale"]
    return Step(
        transforms.Affine,
        {
            "degrees": numbers["degrees"],
            "translate": (numbers["translate"], numbers["translate"]),
            "scale": (1 - scale, 1 + scale),
            "shear": (-shear, shear, -shear, shear),
        },
    )


def _shear(numbers: Numbers, _size: int, _classes: int) -> Step:
    shear = numbers["degrees"]
    arguments = {"degrees": 0, "shear": (-shear, shear, -shear, shear)}
    return Step(transforms.Affine, arguments)


def _translate(numbers: Numbers, _size: int, _classes: int) -> Step:
    return Step(transforms.Affine, {"degrees": 0, "translate": (numbers["fraction"], numbers["fraction"])})


def _perspective(numbers: Numbers, _size: int, _classes: int) -> Step:
    return Step(transforms.Perspective, {"distortion_scale": numbers["distortion"]}, draws_itself=True)


def _resized_crop(numbers: Numbers, size: int, _classes: int) -> Step:
    ratio = (1 / numbers["aspect"], numbers["aspect"])
    return Step(v2.RandomResizedCrop, {"size": size, "scale": (numbers["scale_min"], 1.0), "ratio": ratio})


def _jpeg(numbers: Numbers, _size: int, _classes: int) -> Step:
    return Step(v2.JPEG, {"quality": (numbers["quality"], 100)})


def _erasing(numbers: Numbers, _size: int, _classes: int) -> Step:
    return Step(transforms.Erasing, {"scale": (0.02, numbers["area"])}, draws_itself=True)


def _mixing(transform: type) -> Callable[[Numbers, int, int], Step]:
    return lambda numbers, _size, classes: Step(
        transform, {"alpha": numbers["alpha"], "num_classes": classes}
    )


STEPS: dict[str, Callable[[Numbers, int, int], Step]] = {
    "horizontal_flip": _drawing(v2.RandomHorizontalFlip),
    "vertical_flip": _drawing(v2.RandomVerticalFlip),
    "rotate": _plain(transforms.Affine),
    "affine": _affine,
    "shear": _shear,
    "translate": _translate,
    "perspective": _perspective,
    "elastic": _plain(transforms.Elastic),
    "resized_crop": _resized_crop,
    "brightness": _jitter("brightness"),
    "contrast": _jitter("contrast"),
    "saturation": _jitter("saturation"),
    "hue": _plain(transforms.Hue),
    "gamma": _plain(transforms.Gamma),
    "autocontrast": _drawing(v2.RandomAutocontrast),
    "equalize": _drawing(v2.RandomEqualize),
    "clahe": _plain(transforms.Clahe),
    "sharpness": _plain(transforms.Sharpness),
    "grayscale": _drawing(v2.RandomGrayscale),
    "posterize": _drawing(v2.RandomPosterize),
    "solarize": _drawing(v2.RandomSolarize),
    "invert": _drawing(v2.RandomInvert),
    "channel_shuffle": _plain(v2.RandomChannelPermutation),
    "gaussian_blur": _plain(transforms.GaussianBlur),
    "gaussian_noise": _plain(transforms.GaussianNoise),
    "jpeg": _jpeg,
    "erasing": _erasing,
    "grid_mask": _plain(transforms.GridMask),
    "mixup": _mixing(v2.MixUp),
    "cutmix": _mixing(v2.CutMix),
    "rand_augment": _plain(v2.RandAugment),
    "trivial_augment_wide": _plain(v2.TrivialAugmentWide),
    "aug_mix": _plain(transforms.AugMix),
    "auto_augment": _plain(v2.AutoAugment),
}
"""By name: (parameters, image side, classes) to the step. Whole policies keep torchvision's other defaults."""
