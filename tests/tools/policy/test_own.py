"""Transforms of the user's own: each library's, in every process the same, compared and exported like any policy."""

import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from tests.tools.policy.pictures import picture
from tests.tools.training.trials import silent, tiny_data, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import ConfigurationError
from tools.policy.built_policy import build
from tools.policy.canonical import canonical_json, one_line
from tools.policy.elsewhere import TABLES, as_code, as_yaml
from tools.policy.export import as_python
from tools.policy.named import named_policy
from tools.policy.own import is_own, may_be_own, pinned, try_own
from tools.policy.policy import Operation, Policy
from tools.policy.preview import contact_sheet
from tools.policy.validate import check_policy
from tools.training.loop import train_trial
from tools.training.trial_store import trial_key

KINDS = {
    "torchvision": """
from torchvision.transforms import v2
augment = v2.Compose([v2.RandomRotation(20), v2.ColorJitter(0.4, 0.4)])
""",
    "torchvision to floats": """
import torch
from torchvision.transforms import v2
augment = v2.Compose([v2.ToImage(), v2.RandomAffine(20), v2.ToDtype(torch.float32, scale=True)])
""",
    "albumentations": """
import albumentations as A
augment = A.Compose([A.RandomBrightnessContrast(p=0.9), A.Affine(rotate=(-20, 20), p=0.9)])
""",
    "kornia": """
import kornia.augmentation as K
augment = K.AugmentationSequential(K.RandomRotation(20.0, p=0.9), K.ColorJitter(0.2, 0.2, p=0.9), data_keys=["input"])
""",
    "a function of a PIL image": """
import random
from PIL import Image, ImageEnhance
def augment(image):
    return ImageEnhance.Brightness(image.rotate(random.uniform(-20, 20))).enhance(random.uniform(0.5, 1.5))
""",
    "a function of an array": """
import numpy as np
def augment(image: np.ndarray) -> np.ndarray:
    return np.clip(image.astype(float) * np.random.uniform(0.5, 1.5), 0, 255).astype(np.uint8)
""",
    "a function of a tensor": """
import torch
def augment(image: torch.Tensor) -> torch.Tensor:
    return torch.rot90(image, int(torch.randint(1, 4, ())), (1, 2))
""",
    "a function that makes it": """
from torchvision.transforms import v2
def augment():
    return v2.RandomRotation(20)
""",
}


@pytest.fixture(scope="module")
def tinted(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    return tiny_data(tmp_path_factory.mktemp("data"))


def own(folder: Path, code: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.py").write_text(code)
    return f"{folder / 'own.py'}:augment"


def augmented(policy: Policy, seed: int, image: np.ndarray) -> torch.Tensor:
    torch.manual_seed(seed)
    return build(policy, image.shape[0], 3).augment(image)


@pytest.mark.parametrize("kind", KINDS)
def test_a_transform_of_every_kind_augments_and_follows_the_seed(kind: str, tmp_path: Path) -> None:
    policy = named_policy(own(tmp_path, KINDS[kind]), "natural").policy
    image = np.asarray(picture(32))
    try_own(policy, 32)
    first = augmented(policy, 1, image)
    assert first.dtype == torch.uint8
    assert first.shape == (3, 32, 32)
    assert torch.equal(first, augmented(pickle.loads(pickle.dumps(policy)), 1, image))
    assert not all(torch.equal(first, augmented(policy, seed, image)) for seed in range(2, 8))
    assert not torch.equal(first, torch.from_numpy(image.copy()).permute(2, 0, 1))


def test_a_pipeline_that_changes_nothing_gives_the_same_pixels(tmp_path: Path) -> None:
    floats = """
import torch
from torchvision.transforms import v2
augment = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
"""
    image = np.asarray(picture(16))
    made = augmented(named_policy(own(tmp_path, floats), "natural").policy, 0, image)
    assert torch.equal(made, torch.from_numpy(image.copy()).permute(2, 0, 1))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("from torchvision.transforms import v2\naugment = v2.CenterCrop(8)", "made 8 x 8 of 16 x 16 pixels"),
        (
            "from torchvision.transforms import v2\naugment = v2.Compose([v2.ToTensor(), "
            "v2.Normalize([0.5] * 3, [0.2] * 3)])",
            "Leave the normalisation out",
        ),
        ("def augment(image):\n    return image.no_such_thing()", "own.py:augment failed .*no_such_thing"),
        ("augment = 3", "is no transform but 3"),
        ("from torchvision.transforms.v2 import RandomRotation as augment", "name an object or a function"),
        ("def augment(image):\n    return None", "returned NoneType"),
    ],
)
def test_a_fault_is_told_before_anything_is_trained(code: str, said: str, tmp_path: Path) -> None:
    policy = named_policy(own(tmp_path, code), "natural").policy
    with pytest.raises(ConfigurationError, match=said):
        try_own(policy, 16)


def test_it_is_named_by_its_file_and_pinned_to_its_source(tmp_path: Path) -> None:
    text = own(tmp_path, KINDS["torchvision"])
    named = named_policy(text, "natural")
    assert named.name == one_line(named.policy) == "own.py:augment"
    assert named_policy(pinned(text), "natural").policy == named.policy
    own(tmp_path, KINDS["torchvision to floats"])
    assert named_policy(text, "natural").policy != named.policy
    with pytest.raises(ConfigurationError, match=r"own\.py:augment .* was edited since it was first used"):
        try_own(named.policy, 16)


def test_the_same_source_is_the_same_trial_wherever_it_lies(tinted: CachedDataset, tmp_path: Path) -> None:
    def key_of(folder: str, code: str) -> str:
        policy = canonical_json(named_policy(own(tmp_path / folder, code), "natural").policy)
        spec = tiny_trial(tinted, tmp_path)
        return trial_key(policy, tinted.fingerprint, spec.model, spec.recipe, 0, 1)

    one = key_of("a", KINDS["torchvision"])
    assert key_of("b", KINDS["torchvision"]) == one
    assert key_of("c", KINDS["torchvision to floats"]) != one


def test_only_a_person_may_name_code(tmp_path: Path) -> None:
    operation = Operation(name=pinned("shutil:copy"), probability=1, parameters=[])
    assert is_own(operation.name)
    assert may_be_own("shutil:copy")
    policy = Policy(operations=[operation])
    assert "is not in the catalogue" in check_policy(policy, 1, 3)[0]
    assert not check_policy(policy, 1, 3, own=True)
    half = Policy(operations=[operation.model_copy(update={"probability": 0.5})])
    assert "takes no probability" in check_policy(half, 1, 3, own=True)[0]


@pytest.mark.parametrize("kind", ["albumentations", "a function of an array"])
def test_what_is_handed_over_imports_the_file_and_gives_the_same_pixels(kind: str, tmp_path: Path) -> None:
    policy = named_policy(own(tmp_path, KINDS[kind]), "natural").policy
    (tmp_path / "policy.py").write_text(as_python(policy, 32, 3))
    augment = runpy.run_path(str(tmp_path / "policy.py"))["augment"]
    image = picture(32)
    torch.manual_seed(5)
    assert torch.equal(augment(Image.fromarray(image)), augmented(policy, 5, image))


def test_for_other_libraries_it_is_named_or_refused_as_what_it_is(tmp_path: Path) -> None:
    policy = named_policy(own(tmp_path, KINDS["a function of a PIL image"]), "natural").policy
    (operation,) = yaml.safe_load(as_yaml(policy, {}))["operations"]
    assert operation["name"] == "own.py:augment"
    assert f"Your own transform, {tmp_path / 'own.py'}:augment" in operation["meaning"]
    for library in TABLES:
        with pytest.raises(ConfigurationError, match=r"no equivalent of own\.py:augment .*use your own code"):
            as_code(policy, library, 32, 3)


def test_it_is_trained_and_shown_like_any_policy(tinted: CachedDataset, tmp_path: Path) -> None:
    policy = named_policy(own(tmp_path, KINDS["albumentations"]), "natural").policy
    spec = tiny_trial(tinted, tmp_path).model_copy(update={"policy": canonical_json(policy)})
    loaded = spec.model_copy(update={"loader_workers": 1, "directory": tmp_path / "other"})
    torch.set_num_threads(1)
    one, other = (train_trial(each, "cpu", silent) for each in (spec, loaded))
    assert one.status == "finished", one.reason
    assert one.scores == other.scores
    contact_sheet(np.asarray([picture(16)] * 3), ["a", "b", "c"], policy, tmp_path / "sheet.png", seed=0)
    assert Image.open(tmp_path / "sheet.png").width > 300
