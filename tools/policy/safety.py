"""Which operations may destroy what decides the label, by kind of image: a table of rules, each with its reason.

`reject` is for operations that make images that cannot exist or that belong to another class; `warn` for those that
may. A whole policy only gets warnings, since it does the same to a small share of the images.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from tools.datasets.types import Card, Modality
from tools.policy.catalogue import CATALOGUE
from tools.policy.policy import Operation, Policy

Severity = Literal["reject", "warn"]


@dataclass(frozen=True)
class SafetyFinding:
    """What is dangerous about one operation of a policy, and why."""

    severity: Severity
    operation: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """Applies to operations of a name or trait, and only beyond a limit where there is one."""

    modalities: frozenset[str]
    target: str
    """An operation of the catalogue, or a trait."""
    severity: Severity
    reason: str
    parameter: str | None = None
    """Which the limits are for; operations without it are not affected."""
    above: float = float("inf")
    below: float = float("-inf")

    def matches(self, modality: Modality, operation: Operation) -> bool:
        """Whether the rule applies to this operation on images of this kind."""
        if modality not in self.modalities:
            return False
        if self.target != operation.name and self.target not in CATALOGUE[operation.name].traits:
            return False
        if self.parameter is None:
            return True
        values = [item.value for item in operation.parameters if item.name == self.parameter]
        return any(value > self.above or value < self.below for value in values)


def _rule(
    modalities: str,
    target: str,
    severity: Severity,
    reason: str,
    parameter: str | None = None,
    **limits: float,
) -> Rule:
    return Rule(frozenset(modalities.split()), target, severity, reason, parameter, **limits)


_ALL = " ".join(get_args(Modality))
_GREY = "mri ct xray digits"

# fmt: off
RULES: tuple[Rule, ...] = (
    # retina: small lesions anywhere in the frame, told apart by colour
    _rule("fundus", "inversion", "reject",
          "red haemorrhages and yellow exudates decide the grade; inverted tones turn one into the other"),
    _rule("fundus", "channel_shuffle", "reject",
          "red haemorrhages and yellow exudates decide the grade; swapped channels destroy that"),
    _rule("fundus", "hue", "reject",
          "beyond a tenth of the wheel, haemorrhages and exudates swap colours", "shift", above=0.1),
    _rule("fundus", "hue", "warn", "lesions are told apart by colour", "shift", above=0.03),
    _rule("fundus", "saturation", "warn", "lesions are told apart by colour", "strength", above=0.5),
    _rule("fundus", "grayscale", "warn", "lesions are told apart by colour"),
    _rule("fundus", "gaussian_blur", "warn", "microaneurysms are a few pixels wide and vanish", "sigma", above=1.5),
    _rule("fundus", "posterize", "warn", "faint lesions vanish", "bits", below=5),
    _rule("fundus", "jpeg", "warn", "block artefacts look like, or hide, small lesions", "quality", below=30),
    _rule("fundus", "resized_crop", "reject",
          "lesions anywhere decide the grade; most crops would lose them", "scale_min", below=0.2),
    _rule("fundus", "resized_crop", "warn",
          "a crop may lose the lesions that decide the grade", "scale_min", below=0.5),
    _rule("fundus", "occlusion", "warn", "covering may hide the only lesions, and the grade with them"),
    _rule("fundus", "mixing", "warn", "grades are an ordered scale of lesions; a mixture is not a retina in between"),
    # skin: asymmetry, border, colour
    _rule("dermoscopy", "inversion", "reject",
          "the lesion's colours decide (blue-white veil, brown, black); inverted skin does not exist"),
    _rule("dermoscopy", "channel_shuffle", "reject",
          "the lesion's colours decide; green or blue skin does not exist"),
    _rule("dermoscopy", "hue", "reject", "beyond 0.15 of the wheel, skin turns green or purple", "shift", above=0.15),
    _rule("dermoscopy", "hue", "warn", "the lesion's colours are a criterion of malignancy", "shift", above=0.05),
    _rule("dermoscopy", "saturation", "warn",
          "the lesion's colours are a criterion of malignancy", "strength", above=0.6),
    _rule("dermoscopy", "grayscale", "warn", "the lesion's colours are a criterion of malignancy"),
    _rule("dermoscopy", "shear", "warn", "asymmetry is a criterion of malignancy", "degrees", above=25),
    _rule("dermoscopy", "affine", "warn", "asymmetry is a criterion of malignancy", "shear", above=25),
    _rule("dermoscopy", "perspective", "warn", "asymmetry is a criterion of malignancy", "distortion", above=0.5),
    _rule("dermoscopy", "elastic", "warn",
          "an irregular border is a criterion of malignancy", "displacement", above=0.03),
    _rule("dermoscopy", "resized_crop", "warn", "a crop may lose the border of the lesion", "scale_min", below=0.3),
    # grey images
    _rule(_GREY, "hue", "reject", "a grey image has no hue: the operation does nothing and wastes a trial"),
    _rule(_GREY, "saturation", "reject", "a grey image has no colour: the operation does nothing and wastes a trial"),
    _rule(_GREY, "grayscale", "reject", "the image is grey already: the operation does nothing and wastes a trial"),
    _rule(_GREY, "channel_shuffle", "reject",
          "the channels of a grey image are equal: the operation does nothing and wastes a trial"),
    # magnetic resonance and computed tomography
    _rule("mri ct", "inversion", "reject",
          "grey levels stand for tissue; inverted or solarised ones stand for another"),
    _rule("mri ct", "vertical_flip", "warn", "slices are stored in one orientation; upside-down ones never occur"),
    _rule("ct", "horizontal_flip", "warn", "left and right organs differ, and a mirrored body is a rare anomaly"),
    _rule("mri ct", "rotation", "warn", "patients lie straight within about 30 degrees", "degrees", above=30),
    _rule("mri ct", "posterize", "warn", "soft tissues differ by few grey levels", "bits", below=5),
    _rule("ct", "brightness", "warn", "grey levels are calibrated (Hounsfield units)", "strength", above=0.3),
    _rule("ct", "contrast", "warn", "grey levels are calibrated (Hounsfield units)", "strength", above=0.4),
    _rule("ct", "gamma", "warn", "grey levels are calibrated (Hounsfield units)", "gamma", above=1.8),
    _rule("ct", "equalize", "warn", "grey levels are calibrated (Hounsfield units)"),
    _rule("mri ct", "elastic", "warn", "the shape and volume of structures may decide", "displacement", above=0.03),
    # radiographs
    _rule("xray", "inversion", "reject",
          "bone and consolidation are bright, air is dark; inverted or solarised, air looks like disease"),
    _rule("xray", "vertical_flip", "reject",
          "no radiograph is read upside down: the diaphragm would lie above the lungs"),
    _rule("xray", "horizontal_flip", "warn",
          "it moves the heart to the right; harmless only where the side does not matter"),
    _rule("xray", "rotation", "reject",
          "patients are upright; beyond 60 degrees no radiograph looks so", "degrees", above=60),
    _rule("xray", "rotation", "warn", "patients are upright within about 20 degrees", "degrees", above=20),
    _rule("xray", "resized_crop", "warn",
          "a crop may lose the opacity that decides the label", "scale_min", below=0.5),
    _rule("xray", "gaussian_blur", "warn", "fine opacities and vessels vanish", "sigma", above=2),
    # ultrasound
    _rule("ultrasound", "vertical_flip", "reject",
          "sound comes from the top: shadows and enhancement always lie below what casts them"),
    _rule("ultrasound", "inversion", "reject",
          "anechoic (dark) and hyperechoic (bright) tissue decide; inverted they swap"),
    _rule("ultrasound", "rotation", "reject",
          "sound comes from the top: beyond 60 degrees shadows point sideways", "degrees", above=60),
    _rule("ultrasound", "rotation", "warn", "sound comes from the top: shadows would slant", "degrees", above=20),
    _rule("ultrasound", "colour", "warn",
          "B-mode images are grey; only Doppler has colour, and there it means direction"),
    _rule("ultrasound", "gaussian_blur", "warn", "the speckle that tells tissues apart vanishes", "sigma", above=2),
    _rule("ultrasound", "elastic", "warn",
          "a smooth or irregular margin is a criterion of malignancy", "displacement", above=0.03),
    # endoscopy: redness, bleeding, vessels; the camera rolls freely
    _rule("endoscopy", "inversion", "reject", "redness and bleeding decide; inverted mucosa does not exist"),
    _rule("endoscopy", "channel_shuffle", "reject", "redness and bleeding decide; swapped channels destroy them"),
    _rule("endoscopy", "hue", "reject",
          "beyond a tenth of the wheel, red mucosa is no longer red", "shift", above=0.1),
    _rule("endoscopy", "hue", "warn", "redness and bleeding decide", "shift", above=0.03),
    _rule("endoscopy", "saturation", "warn", "redness and bleeding decide", "strength", above=0.5),
    _rule("endoscopy", "grayscale", "warn", "redness and bleeding decide"),
    _rule("endoscopy", "gaussian_blur", "warn", "the vessel pattern is a criterion", "sigma", above=2),
    # microscopy: no up or down; stains mean something
    _rule("microscopy", "inversion", "warn", "inverted stains do not exist under bright light"),
    _rule("microscopy", "channel_shuffle", "warn", "the colour of a stain tells what it binds to"),
    _rule("microscopy", "hue", "warn", "the colour of a stain tells what it binds to", "shift", above=0.1),
    _rule("microscopy", "resized_crop", "warn",
          "it zooms, and the size of a cell may decide", "scale_min", below=0.3),
    _rule("microscopy", "affine", "warn", "it zooms, and the size of a cell may decide", "scale", above=0.3),
    # digits
    _rule("digits", "mirror_horizontal", "reject", "a mirrored digit is another shape or none (2 and 5, 3, 7)"),
    _rule("digits", "mirror_vertical", "reject", "a digit upside down is another or none (6 and 9, 2 and 5)"),
    _rule("digits", "rotation", "reject",
          "6 turns into 9 and 1 into a dash; beyond 45 degrees labels are lost", "degrees", above=45),
    _rule("digits", "rotation", "warn", "1 and 7, 4 and 9 come close when turned", "degrees", above=25),
    _rule("digits", "trivial_augment_wide", "warn", "it rotates by up to 135 degrees, which turns 6 into 9"),
    _rule("digits", "shear", "warn", "1 and 7, 4 and 9 come close when slanted", "degrees", above=30),
    _rule("digits", "affine", "warn", "1 and 7, 4 and 9 come close when slanted", "shear", above=30),
    _rule("digits", "resized_crop", "warn",
          "a crop may lose the stroke that tells 8 from 3, or 6 from 0", "scale_min", below=0.5),
    _rule("digits", "translate", "warn", "strokes leave the frame", "fraction", above=0.25),
    _rule("digits", "affine", "warn", "strokes leave the frame", "translate", above=0.25),
    _rule("digits", "erasing", "warn",
          "it may cover the stroke that tells 8 from 3, or 6 from 0", "area", above=0.25),
    _rule("digits", "grid_mask", "warn",
          "it may cover the stroke that tells 8 from 3, or 6 from 0", "keep", below=0.5),
    _rule("digits", "elastic", "warn", "thin strokes break or close", "displacement", above=0.04),
    # photographs
    _rule("natural", "mirror_vertical", "warn",
          "scenes have an up and a down; objects upside down are rare at test time"),
    _rule("natural", "rotation", "warn", "photographs are upright within about 45 degrees", "degrees", above=45),
    _rule("natural", "invert", "warn", "negatives do not occur at test time"),
    _rule("natural", "channel_shuffle", "warn", "colours that nature does not show"),
    # any: strengths at which little is left of the image
    _rule(_ALL, "resized_crop", "warn",
          "extreme: crops of this size often miss the subject", "scale_min", below=0.15),
    _rule(_ALL, "translate", "warn", "extreme: much of the subject leaves the frame", "fraction", above=0.4),
    _rule(_ALL, "affine", "warn", "extreme: much of the subject leaves the frame", "translate", above=0.4),
    _rule(_ALL, "perspective", "warn", "extreme: the subject may be unrecognisable", "distortion", above=0.7),
    _rule(_ALL, "elastic", "warn", "extreme: shapes may be unrecognisable", "displacement", above=0.06),
    _rule(_ALL, "erasing", "warn", "extreme: the subject may be covered entirely", "area", above=0.45),
    _rule(_ALL, "grid_mask", "warn", "extreme: little of the image stays visible", "keep", below=0.4),
    _rule(_ALL, "brightness", "warn", "extreme: images may turn black or white", "strength", above=0.7),
    _rule(_ALL, "contrast", "warn", "extreme: images may turn flat grey", "strength", above=0.8),
    _rule(_ALL, "gamma", "warn", "extreme: dark or bright parts lose all detail", "gamma", above=2.5),
    _rule(_ALL, "posterize", "warn", "extreme: four levels of grey are left, or fewer", "bits", below=3),
    _rule(_ALL, "solarize", "warn", "extreme: most of the image is inverted", "threshold", below=96),
    _rule(_ALL, "gaussian_noise", "warn", "extreme: detail drowns in noise", "sigma", above=0.2),
    _rule(_ALL, "gaussian_blur", "warn", "extreme: detail vanishes", "sigma", above=3),
    _rule(_ALL, "jpeg", "warn", "extreme: blocks replace detail", "quality", below=15),
)
# fmt: on


def lint(policy: Policy, card: Card) -> list[SafetyFinding]:
    """What endangers the labels, in the order of the policy; a rejected operation gets no warnings as well.

    Args:
        policy: a valid policy (see `check_policy`).
        card: of the data set; its `modality` selects the rules.

    Raises:
        KeyError: an operation is not in the catalogue.
    """
    findings: list[SafetyFinding] = []
    for operation in policy.operations:
        found = _findings(operation, card.modality)
        rejected = [finding for finding in found if finding.severity == "reject"]
        findings += rejected or found
    return list(dict.fromkeys(findings))


def _findings(operation: Operation, modality: Modality) -> list[SafetyFinding]:
    whole = CATALOGUE[operation.name].whole_policy
    return [
        SafetyFinding(
            severity="warn" if whole else rule.severity,
            operation=operation.name,
            reason=_reason(rule, modality, whole and rule.target != operation.name),
        )
        for rule in RULES
        if rule.matches(modality, operation)
    ]


def _reason(rule: Rule, modality: Modality, contained: bool) -> str:
    limit = ""
    if rule.parameter is not None:
        most, least = rule.above != float("inf"), rule.below != float("-inf")
        limit = f" ({rule.parameter} above {rule.above:g})" if most else ""
        limit += f" ({rule.parameter} below {rule.below:g})" if least else ""
    where = "" if rule.modalities == frozenset(get_args(Modality)) else f"{modality}: "
    part = f"among its operations, {rule.target}: " if contained else ""
    return f"{where}{part}{rule.reason}{limit}"
