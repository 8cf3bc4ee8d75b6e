"""The table itself: what its readers rely on."""

import subprocess
import sys

from tests.repository import ROOT
from tools.policy.canonical import SIGNIFICANT_DIGITS
from tools.policy.catalogue import (
    CATALOGUE,
    as_markdown,
    default_operation,
    describe_catalogue,
    operation_names,
)
from tools.policy.policy import Policy
from tools.policy.steps import STEPS
from tools.policy.validate import check_policy


def test_every_operation_can_be_built_and_nothing_else():
    assert set(STEPS) == set(CATALOGUE)


def test_the_default_operation_is_a_valid_policy():
    for name in CATALOGUE:
        assert check_policy(Policy(operations=[default_operation(name)]), 1, 1) == []


def test_ranges_hold_their_default_and_survive_rounding():
    for operation in CATALOGUE.values():
        for spec in operation.parameters:
            assert spec.low <= spec.default <= spec.high
            for value in (spec.low, spec.default, spec.high):
                assert (
                    float(f"{value:.{SIGNIFICANT_DIGITS}g}") == value
                )  # else rounding could leave the range
                assert not spec.integer or float(value).is_integer()
            assert not spec.log or spec.low > 0


def test_the_whole_policies_are_the_published_baselines():
    whole = {name for name, spec in CATALOGUE.items() if spec.whole_policy}

    assert whole == {"rand_augment", "trivial_augment_wide", "aug_mix", "auto_augment", "med_augment", "sra"}


def test_the_prompt_names_every_operation_parameter_and_range():
    text = describe_catalogue()

    for name, spec in CATALOGUE.items():
        line = next(line for line in text.splitlines() if line.startswith(f"- {name}:"))
        for parameter in spec.parameters:
            assert f"{parameter.low:g} to {parameter.high:g}, default {parameter.default:g}" in line


def test_the_documentation_is_what_the_catalogue_writes():
    page = (ROOT / "docs" / "operations.md").read_text()

    assert page == as_markdown(), "run: python -m tools.policy.catalogue > docs/operations.md"


def test_reading_checking_and_naming_a_policy_imports_nothing_heavy():
    program = (
        "import sys, tools.policy.catalogue, tools.policy.validate, tools.policy.canonical, tools.policy.safety;"
        "print([name for name in ('torch', 'torchvision', 'cv2', 'numpy', 'PIL') if name in sys.modules])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert loaded.stdout.strip() == "[]"


def test_operations_that_need_colour_are_those_that_do_nothing_to_a_grey_image():
    import numpy as np
    import torch

    from tools.policy.built_policy import build

    levels = np.random.default_rng(5).integers(20, 200, (24, 24, 1), dtype=np.uint8)
    grey = np.repeat(levels, 3, axis=2)
    unchanged = set()
    for name, spec in CATALOGUE.items():
        if spec.stage == "batch":
            continue
        policy = build(Policy(operations=[default_operation(name)]), 24, 2)
        torch.manual_seed(0)
        draws = [policy.augment(grey).permute(1, 2, 0).numpy().astype(int) for _ in range(12)]
        if all(np.abs(draw - grey).max() <= 1 for draw in draws):
            unchanged.add(name)
    assert unchanged == {name for name, spec in CATALOGUE.items() if spec.needs_colour}
    assert unchanged == set(operation_names()) - set(operation_names(grey=True))
    assert not [name for name in unchanged if f"- {name}:" in describe_catalogue(grey=True)]
