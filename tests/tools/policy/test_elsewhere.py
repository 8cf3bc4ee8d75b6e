"""Policies as code for kornia and Albumentations: run for real, and compared with ours over many draws."""

import os
import warnings
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

from tools.errors import ConfigurationError
from tools.policy.built_policy import build
from tools.policy.canonical import canonical_json, from_canonical, parse_one_line
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.elsewhere import TABLES, Library, as_code, as_yaml
from tools.policy.policy import Parameter, Policy
from tools.policy.validate import check_policy

SIDE, DRAWS = 32, 400
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it asks for its newest version when it is imported


def subject() -> np.ndarray:
    """Smooth random colours on a plain ground, uint8 (32, 32, 3)."""
    image = np.full((SIDE, SIDE, 3), (90, 110, 70), np.float32)
    colours = np.random.default_rng(0).uniform(30, 220, (5, 5, 3)).astype(np.float32)
    image[5:-5, 5:-5] = cv2.resize(colours, (SIDE - 10, SIDE - 10), interpolation=cv2.INTER_CUBIC)
    return np.clip(cv2.GaussianBlur(image, (0, 0), 0.7), 0, 255).astype(np.uint8)


def run(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code, "exported.py", "exec"), namespace)
    return namespace


def draws_of_ours(policy: Policy) -> np.ndarray:
    return _draws(canonical_json(policy))


@cache
def _draws(policy: str) -> np.ndarray:
    torch.manual_seed(0)
    built = build(from_canonical(policy), SIDE, 10)
    return np.stack([built.augment(subject()).permute(1, 2, 0).numpy() for _ in range(DRAWS)]).astype(
        np.float64
    )


def draws_of(library: Library, augment: Any) -> np.ndarray:
    if library == "kornia":
        torch.manual_seed(0)
        image = torch.from_numpy(subject()).permute(2, 0, 1)[None].float() / 255
        drawn = augment(image.repeat(DRAWS, 1, 1, 1))
        return 255 * drawn.clamp(0, 1).permute(0, 2, 3, 1).numpy().astype(np.float64)
    augment.set_random_seed(0)
    return np.stack([augment(image=subject())["image"] for _ in range(DRAWS)]).astype(np.float64)


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    """How far mean image and spread are apart, averaged over pixels; the larger."""
    return max(float(np.abs(of(ours, axis=0) - of(theirs, axis=0)).mean()) for of in (np.mean, np.std))


@pytest.mark.parametrize("library", list(TABLES))
def test_every_operation_keeps_the_limit_that_it_states(library: Library):
    for name, row in TABLES[library].items():
        policy = Policy(operations=[default_operation(name).model_copy(update={"probability": 1.0})])
        theirs = draws_of(library, run(as_code(policy, library, SIDE, 10))["augment"])
        found = apart(draws_of_ours(policy), theirs)
        assert found <= row.limit, f"{library} {name}: {found:.2f}"
        assert f"within {row.limit:g} of 255" in as_code(policy, library, SIDE, 10).replace("\n# ", " ")


@pytest.mark.slow
@pytest.mark.parametrize("strongest", [False, True])
@pytest.mark.parametrize("library", list(TABLES))
def test_it_keeps_the_limit_at_the_ends_of_its_parameters_too(
    library: Library, strongest: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "tests.tools.policy.test_elsewhere.DRAWS", 3000
    )  # one strength for a whole image: much noise
    for name, row in TABLES[library].items():
        values = [
            Parameter(name=each.name, value=each.high if strongest else each.low)
            for each in CATALOGUE[name].parameters
        ]
        operation = default_operation(name).model_copy(update={"probability": 1.0, "parameters": values})
        if not values or check_policy(policy := Policy(operations=[operation]), 1, 1):
            continue  # such as an affine transform of no strength
        found = apart(
            draws_of_ours(policy), draws_of(library, run(as_code(policy, library, SIDE, 10))["augment"])
        )
        assert found <= row.limit, f"{library} {name}: {found:.2f}"


@pytest.mark.parametrize("library", list(TABLES))
def test_strengths_and_probabilities_arrive(library: Library):
    """Inverted in a fifth of the draws, and turned by as much as is said."""
    often = draws_of(library, run(as_code(parse_one_line("invert(p=0.2)"), library, SIDE, 10))["augment"])
    assert (np.abs(often - subject()).max(axis=(1, 2, 3)) > 50).mean() == pytest.approx(0.2, abs=0.1)
    weak, strong = (parse_one_line(f"rotate(p=1.0, degrees={degrees})") for degrees in (5, 90))
    drawn = [draws_of(library, run(as_code(each, library, SIDE, 10))["augment"]) for each in (weak, strong)]
    assert apart(drawn[0], drawn[1]) > 8
    assert apart(draws_of_ours(strong), drawn[1]) < 4


@pytest.mark.parametrize("library", list(TABLES))
def test_what_the_library_lacks_is_refused_with_what_to_use(library: Library):
    known = {*TABLES[library], "mixup", "cutmix"}
    for name in CATALOGUE.keys() - known:
        with pytest.raises(
            ConfigurationError, match=f"no equivalent of {name} .*use .* instead.*--to torchvision"
        ):
            as_code(Policy(operations=[default_operation(name)]), library, SIDE, 10)


@pytest.mark.parametrize("library", list(TABLES))
def test_what_mixes_a_batch_stays_torchvisions(library: Library):
    policy = parse_one_line("horizontal_flip(p=1.0) > mixup(p=1.0, alpha=0.4)")
    made = run(as_code(policy, library, SIDE, 3, ["study: s"]))
    images, labels = made["mix"](torch.rand(4, 3, SIDE, SIDE), torch.tensor([0, 1, 2, 0]))
    assert images.shape == (4, 3, SIDE, SIDE)
    assert torch.allclose(labels.sum(dim=1), torch.ones(4))


@pytest.mark.parametrize("library", list(TABLES))
def test_no_augmentation_changes_nothing(library: Library):
    augment = run(as_code(Policy(operations=[]), library, SIDE, 3))["augment"]
    assert np.abs(draws_of(library, augment) - subject()).max() < 0.01


def test_yaml_holds_the_operations_and_their_meaning():
    found = yaml.safe_load(
        as_yaml(parse_one_line("rotate(p=0.5, degrees=15)"), {"study": "s", "gain": "+1.2"})
    )
    assert found["about"] == {"study": "s", "gain": "+1.2"}
    (operation,) = found["operations"]
    assert (operation["name"], operation["probability"], operation["parameters"]) == (
        "rotate",
        0.5,
        {"degrees": 15},
    )
