"""What each operation is made of: a torchvision transform and its arguments, to be called or printed."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torchvision.transforms import v2

from tools.errors import ConfigurationError
from tools.policy import transforms
from tools.policy.canonical import canonical_policy, one_line
from tools.policy.catalogue import CATALOGUE, Stage
from tools.policy.own import is_own, parts
from tools.policy.own_transform import OwnTransform
from tools.policy.policy import Operation, Policy
from tools.policy.sample_aware import SampleAware
from tools.policy.validate import check_policy


@dataclass(frozen=True)
class Step:
    """A call of a transform's class. Arguments are plain numbers and tuples, so that they can be printed."""

    transform: type
    arguments: dict[str, Any]
    probability: float
    """With which `v2.RandomApply` applies the transform; 1 where the transform takes its own probability."""
    stage: Stage


def steps_of(policy: Policy, image_size: int, classes: int) -> list[Step]:
    """The steps of the policy's canonical form, in order; at most the last is on the batch.

    Raises:
        ConfigurationError: the policy is not valid (names every problem), or is one by epoch: each of its phases has
            steps of its own.
    """
    if policy.changes:
        phases = ", ".join(f"epoch {epoch}" for epoch, _ in policy.phases)
        raise ConfigurationError(
            f"{one_line(policy)} is a policy by epoch, and only one of its phases can be built or written at a time "
            f"(they begin at {phases}): give the line of that phase"
        )
    problems = check_policy(policy, 0, len(policy.operations), own=True)
    if problems:
        raise ConfigurationError("the policy cannot be built: " + "; ".join(problems))
    return [_step(operation, image_size, classes) for operation in canonical_policy(policy).operations]


def _step(operation: Operation, image_size: int, classes: int) -> Step:
    if is_own(operation.name):
        reference, digest = parts(operation.name)
        return Step(OwnTransform, {"reference": reference, "digest": digest}, 1, "image")
    spec = CATALOGUE[operation.name]
    numbers: Numbers = {parameter.name: parameter.value for parameter in operation.parameters}
    for parameter in spec.parameters:
        if parameter.integer:
            numbers[parameter.name] = int(numbers[parameter.name])
    transform, arguments_of = STEPS[operation.name]
    arguments = arguments_of(numbers, image_size, classes)
    if "p" in inspect.signature(transform).parameters:
        return Step(transform, {**arguments, "p": operation.probability}, 1, spec.stage)
    return Step(transform, arguments, operation.probability, spec.stage)


Numbers = dict[str, float]
_Arguments = Callable[[Numbers, int, int], dict[str, Any]]


def _same(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    """For a transform whose arguments are the operation's parameters, by the same names."""
    return dict(numbers)


def _jitter(argument: str) -> _Arguments:
    return lambda numbers, _size, _classes: {argument: numbers["strength"]}


def _affine(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    shear, scale = numbers["shear"], numbers["scale"]
    return {
        "degrees": numbers["degrees"],
        "translate": (numbers["translate"], numbers["translate"]),
        "scale": (1 - scale, 1 + scale),
        "shear": (-shear, shear, -shear, shear),
    }


def _shear(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    shear = numbers["degrees"]
    return {"degrees": 0, "shear": (-shear, shear, -shear, shear)}


def _translate(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    return {"degrees": 0, "translate": (numbers["fraction"], numbers["fraction"])}


def _perspective(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    return {"distortion_scale": numbers["distortion"]}


def _resized_crop(numbers: Numbers, size: int, _classes: int) -> dict[str, Any]:
    ratio = (1 / numbers["aspect"], numbers["aspect"])
    return {"size": size, "scale": (numbers["scale_min"], 1.0), "ratio": ratio}


def _jpeg(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    return {"quality": (numbers["quality"], 100)}


def _erasing(numbers: Numbers, _size: int, _classes: int) -> dict[str, Any]:
    return {"scale": (0.02, numbers["area"])}


def _mixing(numbers: Numbers, _size: int, classes: int) -> dict[str, Any]:
    return {"alpha": numbers["alpha"], "num_classes": classes}


STEPS: dict[str, tuple[type, _Arguments]] = {
    "horizontal_flip": (v2.RandomHorizontalFlip, _same),
    "vertical_flip": (v2.RandomVerticalFlip, _same),
    "rotate": (transforms.Affine, _same),
    "affine": (transforms.Affine, _affine),
    "shear": (transforms.Affine, _shear),
    "translate": (transforms.Affine, _translate),
    "perspective": (transforms.Perspective, _perspective),
    "elastic": (transforms.Elastic, _same),
    "resized_crop": (v2.RandomResizedCrop, _resized_crop),
    "brightness": (transforms.Brightness, _jitter("brightness")),
    "contrast": (transforms.Contrast, _jitter("contrast")),
    "saturation": (v2.ColorJitter, _jitter("saturation")),
    "hue": (transforms.Hue, _same),
    "gamma": (transforms.Gamma, _same),
    "autocontrast": (v2.RandomAutocontrast, _same),
    "equalize": (v2.RandomEqualize, _same),
    "clahe": (transforms.Clahe, _same),
    "sharpness": (transforms.Sharpness, _same),
    "grayscale": (v2.RandomGrayscale, _same),
    "posterize": (v2.RandomPosterize, _same),
    "solarize": (v2.RandomSolarize, _same),
    "invert": (v2.RandomInvert, _same),
    "channel_shuffle": (v2.RandomChannelPermutation, _same),
    "gaussian_blur": (transforms.GaussianBlur, _same),
    "gaussian_noise": (transforms.GaussianNoise, _same),
    "jpeg": (transforms.Jpeg, _jpeg),
    "erasing": (transforms.Erasing, _erasing),
    "grid_mask": (transforms.GridMask, _same),
    "mixup": (v2.MixUp, _mixing),
    "cutmix": (v2.CutMix, _mixing),
    "rand_augment": (v2.RandAugment, _same),
    "trivial_augment_wide": (v2.TrivialAugmentWide, _same),
    "aug_mix": (transforms.AugMix, _same),
    "auto_augment": (v2.AutoAugment, _same),
    "med_augment": (transforms.MedAugment, _same),
    "sra": (SampleAware, _same),
}
"""By operation: the transform, and its arguments from (parameters, image side, classes).

Whole policies keep torchvision's other defaults.
"""
