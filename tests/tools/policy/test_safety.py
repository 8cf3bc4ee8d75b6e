"""What the lint says of dangerous operations, by kind of image."""

from typing import get_args

from tools.datasets.types import Card, Modality
from tools.policy.canonical import parse_one_line
from tools.policy.catalogue import CATALOGUE, Trait, default_operation
from tools.policy.policy import Policy
from tools.policy.safety import lint, safety_rules


def _card(modality: Modality) -> Card:
    return Card(name="set", title="Set", modality=modality, description="", classes=("a", "b"))


def _severities(text: str, modality: Modality) -> list[str]:
    return [finding.severity for finding in lint(parse_one_line(text), _card(modality))]


EXPECTED: list[tuple[Modality, str, list[str]]] = [
    ("fundus", "vertical_flip(p=0.5) > horizontal_flip(p=0.5) > rotate(p=1, degrees=180)", []),
    ("fundus", "invert(p=0.5)", ["reject"]),
    ("fundus", "solarize(p=0.5, threshold=192)", ["reject"]),
    ("fundus", "hue(p=0.5, shift=0.02)", []),
    ("fundus", "hue(p=0.5, shift=0.05)", ["warn"]),
    ("fundus", "hue(p=0.5, shift=0.2)", ["reject"]),
    ("fundus", "resized_crop(p=1, scale_min=0.1, aspect=1.3)", ["reject"]),
    ("dermoscopy", "vertical_flip(p=0.5) > rotate(p=1, degrees=180)", []),
    ("dermoscopy", "channel_shuffle(p=0.5)", ["reject"]),
    ("dermoscopy", "hue(p=0.5, shift=0.1)", ["warn"]),
    ("mri", "hue(p=0.5, shift=0.02)", ["reject"]),
    ("mri", "invert(p=0.5)", ["reject"]),
    ("mri", "horizontal_flip(p=0.5)", []),
    ("ct", "saturation(p=0.5, strength=0.2)", ["reject"]),
    ("ct", "brightness(p=0.5, strength=0.4)", ["warn"]),
    ("ct", "horizontal_flip(p=0.5)", ["warn"]),
    ("xray", "vertical_flip(p=0.5)", ["reject"]),
    ("xray", "horizontal_flip(p=0.5)", ["warn"]),
    ("xray", "rotate(p=0.5, degrees=10)", []),
    ("xray", "rotate(p=0.5, degrees=30)", ["warn"]),
    ("xray", "rotate(p=0.5, degrees=90)", ["reject"]),
    ("ultrasound", "horizontal_flip(p=0.5)", []),
    ("ultrasound", "vertical_flip(p=0.5)", ["reject"]),
    ("endoscopy", "vertical_flip(p=0.5) > rotate(p=1, degrees=180)", []),
    ("endoscopy", "grayscale(p=0.1)", ["warn"]),
    ("microscopy", "vertical_flip(p=0.5) > rotate(p=1, degrees=180)", []),
    ("digits", "horizontal_flip(p=0.5)", ["reject"]),
    ("digits", "vertical_flip(p=0.5)", ["reject"]),
    ("digits", "rotate(p=0.5, degrees=15)", []),
    ("digits", "rotate(p=0.5, degrees=30)", ["warn"]),
    ("digits", "rotate(p=0.5, degrees=90)", ["reject"]),
    ("digits", "affine(p=0.5, degrees=90, translate=0.1, scale=0.1, shear=5)", ["reject"]),
    ("digits", "trivial_augment_wide(p=1)", ["warn"]),
    ("natural", "horizontal_flip(p=0.5) > hue(p=0.5, shift=0.1)", []),
    ("natural", "vertical_flip(p=0.5)", ["warn"]),
    ("unknown", "vertical_flip(p=0.5) > invert(p=0.5) > hue(p=0.5, shift=0.5)", ["reject"] * 3),
    ("unknown", "solarize(p=0.5, threshold=192) > channel_shuffle(p=0.5)", ["reject"] * 2),
    ("unknown", "rotate(p=0.5, degrees=15) > hue(p=0.5, shift=0.02) > brightness(p=1, strength=0.2)", []),
    ("unknown", "rotate(p=0.5, degrees=30) > horizontal_flip(p=0.5)", ["warn"] * 2),
    ("unknown", "affine(p=0.5, degrees=90, translate=0.1, scale=0.1, shear=5)", ["reject"]),
    ("unknown", "erasing(p=0.5, area=0.6)", ["warn"]),
]


def test_each_kind_of_image_has_its_dangers():
    for modality, text, expected in EXPECTED:
        assert _severities(text, modality) == expected, (modality, text)


def test_where_nobody_said_what_the_images_are_no_orientation_and_no_colours_are_turned_over():
    """What is refused for ultrasound or fundus must not pass merely because the kind of images is not known."""
    wasted = "does nothing"
    strict = [
        rule
        for rule in safety_rules()
        if rule.modalities & {"ultrasound", "xray", "fundus", "dermoscopy", "endoscopy"}
        and rule.severity == "reject"
        and wasted not in rule.reason
    ]
    assert strict
    for rule in strict:
        for name, spec in CATALOGUE.items():
            if spec.whole_policy or rule.target not in (name, *spec.traits):
                continue
            operation = default_operation(name)
            if rule.parameter is not None:
                limits = spec.parameter(rule.parameter)
                assert limits is not None
                worst = limits.high if rule.above < limits.high else limits.low
                operation = operation.model_copy(
                    update={
                        "parameters": [
                            item.model_copy(update={"value": worst}) if item.name == rule.parameter else item
                            for item in operation.parameters
                        ]
                    }
                )
            found = lint(Policy(operations=[operation]), _card("unknown"))
            assert "reject" in {finding.severity for finding in found}, (rule, name)


def test_no_augmentation_is_always_safe():
    for modality in get_args(Modality):
        assert lint(Policy(operations=[]), _card(modality)) == [], modality


def test_a_whole_policy_gets_warnings_at_most():
    for name in [name for name, spec in CATALOGUE.items() if spec.whole_policy]:
        for modality in get_args(Modality):
            findings = lint(Policy(operations=[default_operation(name)]), _card(modality))
            assert {finding.severity for finding in findings} <= {"warn"}, (name, modality)


def test_a_whole_policy_is_warned_of_for_what_it_contains():
    (finding, *_) = lint(parse_one_line("rand_augment(p=1, num_ops=2, magnitude=9)"), _card("fundus"))

    assert finding.reason.startswith("fundus: among its operations, inversion: red haemorrhages")


def test_a_reason_names_the_kind_of_image_and_the_limit():
    (finding,) = lint(parse_one_line("rotate(p=0.5, degrees=90)"), _card("digits"))

    assert finding.operation == "rotate"
    assert finding.reason.startswith("digits: 6 turns into 9")
    assert finding.reason.endswith("(degrees above 45)")


def test_findings_come_in_the_order_of_the_policy():
    findings = lint(
        parse_one_line("horizontal_flip(p=0.5) > invert(p=1) > vertical_flip(p=0.5)"), _card("xray")
    )

    assert [finding.operation for finding in findings] == ["horizontal_flip", "invert", "vertical_flip"]


def test_every_rule_is_about_something_that_a_valid_policy_can_hold():
    for rule in safety_rules():
        assert rule.modalities <= set(get_args(Modality)), rule
        assert rule.target in CATALOGUE or rule.target in get_args(Trait), rule
        meant = [
            spec for spec in CATALOGUE.values() if rule.target == spec.name or rule.target in spec.traits
        ]
        assert meant, rule
        if rule.parameter is not None:
            ranges = [spec.parameter(rule.parameter) for spec in meant]
            assert any(r is not None and (rule.above < r.high or rule.below > r.low) for r in ranges), rule
