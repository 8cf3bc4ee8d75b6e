"""A policy as code for kornia or Albumentations, or as plain YAML.

Unlike the export for torchvision (`export.py`), the pixels of one draw differ: both libraries draw and interpolate in
their own ways. What is promised is the distribution: over many draws, the mean image and the spread around it agree
with ours within `Row.limit`, which a test measures for every row, on one picture of medium brightness. An operation
that would miss the largest limit, 10, is refused, with what to take in its place. One on the batch stays torchvision's,
which works beside both libraries.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Any, Literal

import yaml

from tools.errors import ConfigurationError
from tools.policy.canonical import canonical_policy, one_line
from tools.policy.catalogue import CATALOGUE
from tools.policy.own import is_own, parts, short_name
from tools.policy.policy import Operation, Policy
from tools.policy.steps import Step, steps_of
from tools.text import clean

Library = Literal["kornia", "albumentations"]
Arguments = Mapping[str, Any]
_WIDTH = 118
_FILLED = "uncovered areas repeat the border's pixels; ours take the border's median colour"


@dataclass(frozen=True)
class Row:
    """How a library says one operation."""

    code: Callable[[Arguments, float], str]
    """(arguments of our transform and `side`, the image's in pixels; probability) → the expression."""
    limit: float = 2.0
    """How far mean image and spread over many draws may be from ours, averaged over pixels, of 255; at any strength."""
    differs: str = ""
    """What is not alike, in words."""


def _pair(value: float) -> tuple[float, float]:
    return (-value, value)


def _around_one(strength: float) -> tuple[float, float]:
    return (max(0.0, round(1 - strength, 6)), round(1 + strength, 6))


def _exponents(gamma: float) -> tuple[float, float]:
    """Bounds of a uniform exponent with the mean and spread of the log-uniform one from 1 / gamma to gamma."""
    mean = (gamma - 1 / gamma) / (2 * log(gamma))
    variance = (gamma**2 - gamma**-2) / (4 * log(gamma)) - mean**2
    return round(max(0.05, mean - sqrt(3 * variance)), 4), round(mean + sqrt(3 * variance), 4)


def _kornia_affine(a: Arguments, p: float) -> str:
    given = {name: a[name] for name in ("translate", "scale", "shear") if name in a}
    return _call(
        "K.RandomAffine",
        {"degrees": float(a["degrees"]), **given, "padding_mode": "border", "align_corners": True},
        p,
    )


def _call(name: str, arguments: Arguments, p: float) -> str:
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in {**arguments, 'p': p}.items())})"


def _jitter(library: str, argument: str) -> Callable[[Arguments, float], str]:
    """Colour jitter of one kind; Albumentations has to be told to leave the others alone."""

    def code(a: Arguments, p: float) -> str:
        value = _pair(a["shift"]) if argument == "hue" else _around_one(a[argument])
        if library == "K":
            return f"K.ColorJitter({argument}={value!r}, p={p!r})"
        kinds = {
            "brightness": (1, 1),
            "contrast": (1, 1),
            "saturation": (1, 1),
            "hue": (0, 0),
            argument: value,
        }
        return f"A.ColorJitter({', '.join(f'{name}={each!r}' for name, each in kinds.items())}, p={p!r})"

    return code


def _plain(call: str, more: str = "") -> Callable[[Arguments, float], str]:
    return lambda a, p: f"{call}({more}{', ' if more else ''}p={p!r})"


def _albumentations_affine(a: Arguments, p: float) -> str:
    arguments: dict[str, Any] = {}
    if a["degrees"]:
        arguments["rotate"] = _pair(float(a["degrees"]))
    if "translate" in a:
        # In pixels: Albumentations cuts shares of the side to whole pixels, which shifts less than ours.
        across, down = (round(each * a["side"]) for each in a["translate"])
        arguments["translate_px"] = {"x": (-across, across), "y": (-down, down)}
    if "scale" in a:
        arguments |= {"scale": a["scale"], "keep_ratio": True}
    if "shear" in a:
        arguments["shear"] = {"x": tuple(a["shear"][:2]), "y": tuple(a["shear"][2:])}
    code = _call("A.Affine", arguments, p)
    return code.replace(", p=", ", border_mode=cv2.BORDER_REPLICATE, p=")


_AFFINE = Row(_kornia_affine, 4.0, _FILLED)
_GREY_FILL = (
    "the rectangle is mid grey; ours has the image's mean colour: dark and bright images differ by more"
)
_EXPONENT = "the exponent is uniform, with the mean and spread of our log-uniform one"
KORNIA: dict[str, Row] = {
    "horizontal_flip": Row(_plain("K.RandomHorizontalFlip")),
    "vertical_flip": Row(_plain("K.RandomVerticalFlip")),
    "rotate": _AFFINE,
    "affine": _AFFINE,
    "shear": _AFFINE,
    "translate": _AFFINE,
    "resized_crop": Row(
        lambda a, p: (
            f"K.RandomResizedCrop(size={(a['size'], a['size'])!r}, scale={a['scale']!r}, "
            f"ratio={a['ratio']!r}, cropping_mode='resample', align_corners=False, p={p!r})"
        ),
        4.0,
    ),
    "brightness": Row(_jitter("K", "brightness")),
    "contrast": Row(_jitter("K", "contrast")),
    "saturation": Row(_jitter("K", "saturation")),
    "hue": Row(_jitter("K", "hue"), 4.0),
    "gamma": Row(lambda a, p: f"K.RandomGamma(gamma={_exponents(a['gamma'])!r}, p={p!r})", 10.0, _EXPONENT),
    "autocontrast": Row(_plain("K.RandomAutoContrast")),
    "equalize": Row(_plain("K.RandomEqualize"), 4.0),
    "sharpness": Row(
        lambda a, p: f"K.RandomSharpness(sharpness={_around_one(a['strength'])!r}, p={p!r})",
    ),
    "grayscale": Row(_plain("K.RandomGrayscale")),
    "posterize": Row(lambda a, p: f"K.RandomPosterize(bits={(a['bits'], a['bits'])!r}, p={p!r})"),
    "solarize": Row(
        lambda a, p: (
            f"K.RandomSolarize(thresholds={(round(a['threshold'] / 255, 6),) * 2!r}, "
            f"additions=(0.0, 0.0), p={p!r})"
        )
    ),
    "invert": Row(_plain("K.RandomInvert")),
    "channel_shuffle": Row(_plain("K.RandomChannelShuffle")),
    "gaussian_blur": Row(
        lambda a, p: (
            f"K.RandomGaussianBlur(kernel_size={(2 * ceil(3 * a['sigma']) + 1,) * 2!r}, "
            f"sigma={(0.1, a['sigma'])!r}, p={p!r})"
        )
    ),
    "gaussian_noise": Row(
        lambda a, p: f"K.RandomGaussianNoise(mean=0.0, std={round(a['sigma'] / sqrt(3), 6)!r}, p={p!r})",
        4.0,
        "the strength is always that of our average noise power; ours is drawn anew for each image",
    ),
    "jpeg": Row(lambda a, p: f"K.RandomJPEG(jpeg_quality={tuple(map(float, a['quality']))!r}, p={p!r})", 4.0),
    "erasing": Row(
        lambda a, p: f"K.RandomErasing(scale={a['scale']!r}, ratio=(0.3, 3.3), value=0.5, p={p!r})",
        10.0,
        _GREY_FILL,
    ),
}
ALBUMENTATIONS: dict[str, Row] = {
    "horizontal_flip": Row(_plain("A.HorizontalFlip")),
    "vertical_flip": Row(_plain("A.VerticalFlip")),
    "rotate": (affine := Row(_albumentations_affine, 4.0, _FILLED)),
    "affine": affine,
    "shear": affine,
    "translate": affine,
    "resized_crop": Row(
        lambda a, p: (
            f"A.RandomResizedCrop(size={(a['size'], a['size'])!r}, scale={a['scale']!r}, "
            f"ratio={a['ratio']!r}, p={p!r})"
        ),
        4.0,
    ),
    "brightness": Row(_jitter("A", "brightness")),
    "contrast": Row(_jitter("A", "contrast")),
    "saturation": Row(_jitter("A", "saturation")),
    "hue": Row(_jitter("A", "hue"), 4.0),
    "gamma": Row(
        lambda a, p: (
            "A.RandomGamma(gamma_limit="
            f"{tuple(round(100 * each, 2) for each in _exponents(a['gamma']))!r}, p={p!r})"
        ),
        10.0,
        _EXPONENT,
    ),
    "autocontrast": Row(_plain("A.AutoContrast", "method='pil'"), 4.0),
    "grayscale": Row(_plain("A.ToGray")),
    "posterize": Row(lambda a, p: f"A.Posterize(num_bits={a['bits']!r}, p={p!r})"),
    "solarize": Row(
        lambda a, p: f"A.Solarize(threshold_range={(round(a['threshold'] / 255, 6),) * 2!r}, p={p!r})"
    ),
    "invert": Row(_plain("A.InvertImg")),
    "channel_shuffle": Row(_plain("A.ChannelShuffle")),
    "gaussian_blur": Row(
        lambda a, p: f"A.GaussianBlur(blur_limit=0, sigma_limit={(0.1, a['sigma'])!r}, p={p!r})"
    ),
    "gaussian_noise": Row(
        lambda a, p: f"A.GaussNoise(std_range={(0.0, a['sigma'])!r}, per_channel=True, p={p!r})"
    ),
    "jpeg": Row(
        lambda a, p: f"A.ImageCompression(compression_type='jpeg', quality_range={a['quality']!r}, p={p!r})",
        4.0,
    ),
    "erasing": Row(
        lambda a, p: f"A.Erasing(scale={a['scale']!r}, ratio=(0.3, 3.3), fill=128, p={p!r})",
        8.0,
        _GREY_FILL,
    ),
}
TABLES: dict[Library, dict[str, Row]] = {"kornia": KORNIA, "albumentations": ALBUMENTATIONS}
_INSTEAD = {
    "perspective": "affine with shear",
    "elastic": "affine",
    "equalize": "autocontrast",
    "clahe": "autocontrast",
    "sharpness": "gaussian_blur",
    "grid_mask": "erasing",
    "rand_augment": "a policy of single operations",
    "trivial_augment_wide": "a policy of single operations",
    "aug_mix": "a policy of single operations",
    "auto_augment": "a policy of single operations",
    "med_augment": "a policy of single operations",
    "sra": "a policy of single operations",
}
_HEADS: dict[Library, tuple[str, tuple[str, ...]]] = {
    "kornia": (
        "augment: float tensor (B, 3, {size}, {size}) from 0 to 1 -> the same",
        ("import kornia.augmentation as K",),
    ),
    "albumentations": (
        "augment(image=image)['image']: uint8 array (H, W, 3), RGB, {size} x {size} -> the same",
        ("import albumentations as A", "import cv2"),
    ),
}
_NOTES: dict[Library, str] = {
    "kornia": "",
    "albumentations": "Albumentations 2.0 (MIT licence) is no longer maintained.",
}


def as_code(
    policy: Policy, library: Library, image_size: int, classes: int, about: Sequence[str] = ()
) -> str:
    """Source that defines `augment` with `library`, and `mix` with torchvision where the policy has it.

    Args:
        policy: a valid policy.
        library: whose transforms are written.
        image_size: side in pixels at which it was found.
        classes: number of classes, for soft labels.
        about: lines for the head of the file.

    Raises:
        ConfigurationError: the policy is not valid, or the library has no equivalent of an operation; names each, and
            what to use instead.
    """
    steps = steps_of(policy, image_size, classes)
    operations = canonical_policy(policy).operations
    _check_known([operation.name for operation in operations], library)
    table = TABLES[library]
    lines, differences, mix = [], [], []
    for operation, step in zip(operations, steps, strict=True):
        if step.stage == "batch":
            mix.append(_mix(step))
            continue
        row = table[operation.name]
        lines.append(row.code({**step.arguments, "side": image_size}, _probability(step)))
        told = f"; {row.differs}" if row.differs else ""
        differences.append(
            f"{operation.name}: over many draws, on a picture of medium brightness, within {row.limit:g} of 255 of "
            f"Augur's own{told}"
        )
    purpose, imports = _HEADS[library]
    if not any("cv2." in line for line in lines):
        imports = tuple(line for line in imports if line != "import cv2")
    head = [*about, one_line(policy), purpose.format(size=image_size)]
    head += dict.fromkeys(differences)
    head += [_NOTES[library]] if _NOTES[library] else []
    comments = [f"# {line}" for text in head for line in textwrap.wrap(clean(text), _WIDTH)]
    more = ["from torchvision.transforms import v2"] if mix else []
    return "\n".join([*comments, *imports, *more, "", "", *_augment(library, lines), *mix]) + "\n"


def _probability(step: Step) -> float:
    return step.arguments.get("p", step.probability)


def _augment(library: Library, lines: Sequence[str]) -> list[str]:
    if library == "kornia":
        # Kornia refuses an empty sequence.
        body = lines or ["K.RandomHorizontalFlip(p=0.0)"]
        return [
            "augment = K.AugmentationSequential(",
            *(f"    {line}," for line in body),
            '    data_keys=["input"],',
            ")",
        ]
    return ["augment = A.Compose(", "    [", *(f"        {line}," for line in lines), "    ]", ")"]


def _mix(step: Step) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in step.arguments.items())
    call = f"v2.{step.transform.__name__}({arguments})"
    return (
        f"mix = {call}"
        if step.probability == 1
        else f"mix = v2.RandomApply([{call}], p={step.probability!r})"
    )


def _check_known(names: Sequence[str], library: Library) -> None:
    unknown = [name for name in dict.fromkeys(names) if name not in TABLES[library] and not _on_batch(name)]
    if unknown:
        told = "; ".join(f"{_shown(name)}: use {_instead(name)} instead" for name in unknown)
        raise ConfigurationError(
            f"{library} has no equivalent of {', '.join(map(_shown, unknown))} ({told}). The whole policy as it was "
            "tested: --to torchvision"
        )


def _shown(name: str) -> str:
    return short_name(name) if is_own(name) else name


def _instead(name: str) -> str:
    return "your own code" if is_own(name) else _INSTEAD.get(name, "another operation")


def _on_batch(name: str) -> bool:
    return not is_own(name) and CATALOGUE[name].stage == "batch"


def as_yaml(policy: Policy, about: Mapping[str, str]) -> str:
    """The policy as plain YAML, for any other program: where it comes from, and each operation with its ranges."""
    (_, first), *later = canonical_policy(policy).phases
    content: dict[str, Any] = {
        "about": dict(about),
        "policy": one_line(policy),
        "operations": _as_rows(first),
    }
    if later:
        content["changes"] = [{"from_epoch": epoch, "operations": _as_rows(each)} for epoch, each in later]
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=_WIDTH)


def _as_rows(policy: Policy) -> list[dict[str, Any]]:
    return [
        {
            "name": _shown(operation.name),
            "probability": operation.probability,
            "parameters": {item.name: item.value for item in operation.parameters},
            "meaning": _meaning(operation),
        }
        for operation in policy.operations
    ]


def _meaning(operation: Operation) -> str:
    if not is_own(operation.name):
        return CATALOGUE[operation.name].summary
    reference, digest = parts(operation.name)
    return f"Your own transform, {reference}; SHA-256 of its source {digest}."
