"""The one table of operations. The LLM's prompt, the search space of the random and TPE arms, validation, the
label-safety lint and the documentation all read it: a new operation is a new row here and one in `steps.py`.

Light: imports no torch, torchvision or OpenCV. `python -m tools.policy.catalogue > docs/operations.md` writes
the documentation.
"""

from dataclasses import dataclass, replace
from typing import Literal

from tools.policy.policy import Operation, Parameter

Stage = Literal["image", "tensor", "batch"]

Trait = Literal[
    "mirror_horizontal", "mirror_vertical", "rotation", "geometry", "deformation", "crop", "shift", "colour",
    "intensity", "contrast", "inversion", "texture", "occlusion", "mixing",
]  # fmt: skip


@dataclass(frozen=True)
class ParameterSpec:
    """One number of an operation, and its range: `low <= value <= high`, both included."""

    name: str
    low: float
    high: float
    default: float
    description: str
    """What it means, with its unit."""
    integer: bool = False
    log: bool = False
    """Whether an optimiser should search it on a logarithmic scale."""


@dataclass(frozen=True)
class OperationSpec:
    """One augmentation: what a person or an LLM reads about it, and what the code needs to know of it."""

    name: str
    summary: str
    parameters: tuple[ParameterSpec, ...]
    stage: Stage
    """Where it runs: on the PIL image or on the uint8 tensor, whichever is faster for it; or on the batch."""
    traits: frozenset[Trait]
    """What it does to an image, as the label-safety lint sees it."""
    whole_policy: bool = False
    """Whether it is a published policy that draws from many operations, as the baselines are."""

    @property
    def needs_colour(self) -> bool:
        """Whether it changes colours and nothing else, so that it does nothing to a grey image."""
        return self.traits == {"colour"}

    def parameter(self, name: str) -> ParameterSpec | None:
        """The parameter of that name, if there is one."""
        return next((spec for spec in self.parameters if spec.name == name), None)


def _row(name: str, stage: Stage, traits: str, summary: str, *parameters: ParameterSpec) -> OperationSpec:
    return OperationSpec(name, summary, parameters, stage, frozenset(traits.split()))  # type: ignore[arg-type]


def _whole(name: str, traits: str, summary: str, *parameters: ParameterSpec) -> OperationSpec:
    return OperationSpec(name, summary, parameters, "image", frozenset(traits.split()), True)  # type: ignore[arg-type]


_P = ParameterSpec

# fmt: off
_ROWS = (
    # geometry
    _row("horizontal_flip", "tensor", "mirror_horizontal", "Mirror left and right."),
    _row("vertical_flip", "tensor", "mirror_vertical", "Mirror top and bottom."),
    _row("rotate", "tensor", "rotation geometry", "Turn about the centre.",
         _P("degrees", 1, 180, 15, "largest angle in degrees; the angle is drawn from [-degrees, degrees]")),
    _row("affine", "tensor", "rotation shift geometry", "Turn, shift, scale and shear at once.",
         _P("degrees", 0, 180, 10, "largest angle of rotation in degrees, either way"),
         _P("translate", 0, 0.5, 0.1, "largest shift along each axis as a share of the side"),
         _P("scale", 0, 0.5, 0.1, "the zoom factor is drawn from [1 - scale, 1 + scale]"),
         _P("shear", 0, 45, 5, "largest angle of shear along each axis in degrees, either way")),
    _row("shear", "tensor", "geometry", "Slant along both axes.",
         _P("degrees", 1, 45, 10, "largest angle in degrees; drawn from [-degrees, degrees] for each axis")),
    _row("translate", "tensor", "shift geometry", "Shift along both axes.",
         _P("fraction", 0.01, 0.5, 0.1, "largest shift along each axis as a share of the side, either way")),
    _row("perspective", "tensor", "geometry", "View from another angle: each corner moves inwards.",
         _P("distortion", 0.05, 0.8, 0.3, "farthest a corner moves, as a share of half the side")),
    _row("elastic", "tensor", "deformation geometry",
         "Warp smoothly by random displacements on a coarse grid (U-Net, Ronneberger et al. 2015).",
         _P("displacement", 0.005, 0.08, 0.02, "standard deviation of the shift, share of the side", log=True),
         _P("cells", 2, 8, 3, "grid points along each side: more give finer waves", integer=True)),
    _row("resized_crop", "tensor", "crop geometry",
         "Cut out a random part and resize it to the full size (as in Inception and ResNet training).",
         _P("scale_min", 0.08, 0.95, 0.6, "smallest share of the area kept; drawn from [scale_min, 1]"),
         _P("aspect", 1, 2, 1.333, "the aspect ratio is drawn from [1 / aspect, aspect]")),
    # colour and intensity
    _row("brightness", "tensor", "intensity", "Make brighter or darker.",
         _P("strength", 0.02, 0.9, 0.2, "the factor is drawn from [1 - strength, 1 + strength]")),
    _row("contrast", "tensor", "contrast", "Stretch or squeeze the grey levels about their mean.",
         _P("strength", 0.02, 0.9, 0.2, "the factor is drawn from [1 - strength, 1 + strength]")),
    _row("saturation", "image", "colour", "Make colours stronger or paler.",
         _P("strength", 0.02, 1, 0.2, "the factor is drawn from [1 - strength, 1 + strength]")),
    _row("hue", "tensor", "colour", "Turn all colours around the colour wheel.",
         _P("shift", 0.01, 0.5, 0.05, "largest shift as a share of the wheel, either way (0.5: the opposite)")),
    _row("gamma", "tensor", "intensity", "Brighten or darken the middle tones.",
         _P("gamma", 1.05, 3, 1.5, "the exponent is drawn log-uniformly from [1 / gamma, gamma]", log=True)),
    _row("autocontrast", "image", "contrast", "Stretch each channel to the full range."),
    _row("equalize", "image", "contrast colour", "Equalise the histogram of each channel."),
    _row("clahe", "tensor", "contrast",
         "Equalise lightness locally with limited contrast (CLAHE, Zuiderveld 1994), blended in by a random share.",
         _P("clip_limit", 1.5, 8, 3, "limit of the contrast; matters little on images below 64 px"),
         _P("tiles", 2, 8, 4, "tiles along each side: more work more locally", integer=True)),
    _row("sharpness", "image", "texture", "Sharpen or soften.",
         _P("strength", 0.1, 4, 0.8, "the factor is drawn from [1 - strength, 1 + strength], not below 0")),
    _row("grayscale", "tensor", "colour", "Remove the colour."),
    _row("posterize", "tensor", "intensity colour", "Keep only the highest bits of each channel.",
         _P("bits", 1, 7, 4, "bits that are kept; fewer is stronger", integer=True)),
    _row("solarize", "image", "inversion intensity colour", "Invert all pixels above a threshold.",
         _P("threshold", 1, 255, 192, "grey level, 0 to 255; lower is stronger", integer=True)),
    _row("invert", "tensor", "inversion intensity colour", "Turn the image into its negative."),
    _row("channel_shuffle", "tensor", "colour", "Put red, green and blue in random order."),
    # texture and quality
    _row("gaussian_blur", "tensor", "texture", "Blur.",
         _P("sigma", 0.2, 5, 1, "largest standard deviation in pixels; from [0.1, sigma]", log=True)),
    _row("gaussian_noise", "tensor", "texture", "Add independent noise to each pixel and channel.",
         _P("sigma", 0.005, 0.3, 0.05, "largest standard deviation, share of full scale; from [0, sigma]", log=True)),
    _row("jpeg", "tensor", "texture", "Compress as JPEG.",
         _P("quality", 5, 95, 50, "lowest quality; drawn from [quality, 100]", integer=True)),
    # occlusion
    _row("erasing", "tensor", "occlusion",
         "Cover a random rectangle with the image's mean colour (random erasing, Zhong et al. 2020; cutout).",
         _P("area", 0.03, 0.6, 0.2, "largest share of the image that is covered; drawn from [0.02, area]")),
    _row("grid_mask", "tensor", "occlusion",
         "Cover a regular grid of squares with the image's mean colour (GridMask, Chen et al. 2020).",
         _P("keep", 0.3, 0.9, 0.6, "share of each grid unit's side that stays visible (r in the paper)"),
         _P("unit", 0.2, 1, 0.6, "largest grid unit as a share of the side; drawn from [unit / 2, unit]")),
    # on the batch, with soft labels
    _row("mixup", "batch", "mixing",
         "Blend pairs of images and their labels (Zhang et al. 2018); probability per batch.",
         _P("alpha", 0.1, 2, 0.2, "of Beta(alpha, alpha), the share of each; higher mixes more", log=True)),
    _row("cutmix", "batch", "mixing occlusion",
         "Paste a rectangle of one image into another, labels by area (Yun et al. 2019); probability per batch.",
         _P("alpha", 0.1, 2, 1, "of Beta(alpha, alpha), the area that is kept; higher mixes more", log=True)),
    # whole policies, the first four as torchvision defines them
    _whole("rand_augment", "rotation geometry shift colour intensity contrast inversion texture",
           "RandAugment (Cubuk et al. 2020): num_ops random operations at one magnitude.",
           _P("num_ops", 1, 4, 2, "operations applied to an image", integer=True),
           _P("magnitude", 1, 30, 9, "strength of each, 30 the strongest", integer=True)),
    _whole("trivial_augment_wide", "rotation geometry shift colour intensity contrast inversion texture",
           "TrivialAugment Wide (Müller and Hutter 2021): one random operation at a random strength."),
    _whole("aug_mix", "rotation geometry shift colour intensity contrast inversion texture",
           "AugMix (Hendrycks et al. 2020): blends the image with chains of random operations.",
           _P("severity", 1, 10, 3, "strength of the operations, 10 the strongest", integer=True),
           _P("mixture_width", 1, 5, 3, "chains that are blended", integer=True)),
    _whole("auto_augment", "rotation geometry colour intensity contrast inversion texture",
           "AutoAugment (Cubuk et al. 2019): the policy that was learned on ImageNet."),
    replace(
        _whole("med_augment", "mirror_horizontal mirror_vertical rotation geometry shift intensity contrast texture",
               "MedAugment (Liu et al. 2023) for medical images: two or three mild operations, most of them of place.",
               _P("level", 1, 5, 5, "strength and probability of each, 5 the strongest", integer=True),
               _P("branches", 1, 8, 4, "augmented images for each that is left as it is", integer=True)),
        stage="tensor",
    ),
    replace(
        _whole("sra", "rotation geometry shift colour intensity contrast inversion texture",
               "Sample-aware RandAugment (Xiao et al. 2025): in every second batch, the better the model classifies an "
               "image, the stronger it is changed; in the others, at a random strength.",
               _P("num_ops", 1, 4, 2, "operations applied to an image", integer=True)),
        stage="tensor",
    ),
)
# fmt: on

CATALOGUE: dict[str, OperationSpec] = {row.name: row for row in _ROWS}


def default_operation(name: str) -> Operation:
    """The operation `name` with probability 1 and every parameter at its default.

    Raises:
        KeyError: `name` is not in the catalogue.
    """
    parameters = [Parameter(name=spec.name, value=spec.default) for spec in CATALOGUE[name].parameters]
    return Operation(name=name, probability=1.0, parameters=parameters)


def operation_names(whole_policies: bool = True, grey: bool = False) -> tuple[str, ...]:
    """The operations of the catalogue, in its order.

    Args:
        whole_policies: whether RandAugment and other whole policies are among them.
        grey: whether they are for grey images, which operations on colour alone do not change.
    """
    return tuple(
        name
        for name, spec in CATALOGUE.items()
        if (whole_policies or not spec.whole_policy) and not (grey and spec.needs_colour)
    )


def describe_catalogue(whole_policies: bool = True, grey: bool = False) -> str:
    """The catalogue for an LLM's prompt: a line for each operation of `operation_names`, with its ranges."""
    return "\n".join(_describe(CATALOGUE[name]) for name in operation_names(whole_policies, grey))


def as_markdown() -> str:
    """The page docs/operations.md."""
    head = (
        "# Operations\n\n"
        "<!-- Written by `python -m tools.policy.catalogue > docs/operations.md`: change the catalogue. -->\n\n"
        "A policy applies its operations in the order given, each with its own probability. Probability is\n"
        "per image; for `mixup` and `cutmix` it is per batch. These two always come last, and a policy has at\n"
        "most one of them. It also has at most one of the whole policies, which may be combined with others.\n"
        "Areas that geometry uncovers take the median colour of the image's border (black where the\n"
        "background is black, skin on skin), but black in the whole policies, as published. Ranges include\n"
        "both ends; a value outside is an error and is never clamped.\n"
    )
    rows = ["| operation | what it does | parameters | runs on |", "|---|---|---|---|"]
    for spec in CATALOGUE.values():
        parameters = "<br>".join(f"`{_range(p)}`: {p.description}" for p in spec.parameters) or "none"
        rows.append(f"| `{spec.name}` | {spec.summary} | {parameters} | {spec.stage} |")
    return head + "\n" + "\n".join(rows) + "\n"


def _describe(spec: OperationSpec) -> str:
    parameters = "; ".join(f"{_range(p)}: {p.description}" for p in spec.parameters) or "no parameters"
    return f"- {spec.name}: {spec.summary} [{parameters}]"


def _range(spec: ParameterSpec) -> str:
    kind = "whole number " if spec.integer else ""
    return f"{spec.name} {kind}{spec.low:g} to {spec.high:g}, default {spec.default:g}"


if __name__ == "__main__":
    print(as_markdown(), end="")
