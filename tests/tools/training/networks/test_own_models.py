"""Models that are not of torchvision: a function of the user's, timm's, and EfficientNet-Lite0 of the extra."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.tools.training.test_packed import Run, alone, left
from tests.tools.training.trials import numbers, silent, tiny_recipe, tiny_trial
from tools.errors import ConfigurationError, ImagesGone
from tools.training.config import ModelConfig, TrialSpec
from tools.training.loop import train_trial
from tools.training.model_source import source_identity
from tools.training.networks.models import build_model, check_model
from tools.training.normalisation import IMAGENET, normalisation_for
from tools.training.trial_store import TrialStore, trial_key

SMALL = """
from torch import nn
from layers import block

def make(classes):
    return nn.Sequential(block(3, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
"""
BLOCK = """
from torch import nn

def block(inside, outside):
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.BatchNorm2d(outside), nn.ReLU())
"""


def written(folder: Path, content: str = SMALL) -> ModelConfig:
    folder.mkdir(exist_ok=True)
    (folder / "net.py").write_text(content)
    (folder / "layers.py").write_text(BLOCK)
    return ModelConfig(name=f"{folder / 'net.py'}:make")


def trial_of(cached, root: Path, model: ModelConfig, epochs: int = 2) -> TrialSpec:
    spec = tiny_trial(cached, root)
    recipe = tiny_recipe(epochs=epochs)
    key = trial_key(spec.policy, cached.fingerprint, model, recipe, 0, 1)
    return spec.model_copy(
        update={
            "key": key,
            "model": model,
            "recipe": recipe,
            "directory": TrialStore(root).directory(key),
            "model_source": source_identity(model.name),
        }
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ResNet18", "resnet18"),
        ("ResNet-50", "resnet50"),
        ("EfficientNet-B0", "efficientnet_b0"),
        ("ViT-B/16", None),
        ("EfficientNet_Lite0", "efficientnet_lite0"),
        ("TIMM:resnet18", "timm:resnet18"),
    ],
)
def test_a_name_is_kept_in_one_spelling(given: str, kept: str | None):
    if kept is None:
        with pytest.raises(ValueError, match="names no function"):
            ModelConfig(name=given)
        return
    assert ModelConfig(name=given).name == kept


def test_a_function_of_a_file_is_trained_and_its_code_is_in_the_key(tinted, tmp_path: Path):
    model = written(tmp_path / "code")
    assert check_model(model, 3, 16) == []
    spec = trial_of(tinted, tmp_path, model)
    result = train_trial(spec, "cpu", silent)
    assert result.status == "finished", result.reason
    moved = trial_of(tinted, tmp_path, written(tmp_path / "elsewhere"))
    assert moved.key == spec.key, "the same code in another folder is the same model"
    (tmp_path / "elsewhere" / "layers.py").write_text(BLOCK.replace("ReLU", "GELU"))
    edited = trial_of(tinted, tmp_path / "again", moved.model)
    assert edited.key != spec.key, "what the file imports counts as well"
    other = train_trial(edited, "cpu", silent)
    assert numbers(other)["scores"] != numbers(result)["scores"]


def test_code_that_changed_since_a_trial_was_planned_is_not_trained_under_its_key(tinted, tmp_path: Path):
    model = written(tmp_path / "code")
    spec = trial_of(tinted, tmp_path, model)
    (tmp_path / "code" / "layers.py").write_text(BLOCK + "\n# edited\n")
    with pytest.raises(ImagesGone, match=r"net\.py:make has changed since this study began.*Restore"):
        train_trial(spec, "cpu", silent)
    (tmp_path / "code" / "net.py").unlink()
    with pytest.raises(ImagesGone, match=r"no file.*net\.py.*put it back"):
        train_trial(spec, "cpu", silent)


BODIES = {
    "return nn.Linear(3 * 16 * 16, classes)": "cannot take images of 16 px",
    "return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 7))": r"shape \(2, 7\).*expected.*shape \(2, 3\)",
    "return 'resnet'": "returned str instead of a torch.nn.Module",
    "return SHARED": "shares parameters",
    "raise RuntimeError('no licence')": r"failed when called with 3.*no licence \(net\.py, line 1\d\)",
    "return Pair()": "returns tuple in training mode",
    "return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())": "without parameters to train",
    "return Clock(classes)": "other weights when it is called again",
    "return Features(classes)": r"keeps random numbers.*outside of state_dict.*register_buffer",
    "return Counts(classes)": r"what it learns, outside of state_dict",
}
AROUND = """
import time
import torch
from torch import nn
SHARED = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
class Pair(nn.Linear):
    def __init__(self): super().__init__(16, 3)
    def forward(self, x): return super().forward(x), x
class Clock(nn.Linear):
    def __init__(self, c): super().__init__(768, c); self.weight.data.fill_(time.monotonic_ns() % 9973)
    def forward(self, x): return super().forward(x.flatten(1))
def make(classes):
    BODY
class Features(nn.Linear):
    def __init__(self, c): super().__init__(8, c); self.drawn = torch.randn(768, 8)
    def forward(self, x): return super().forward(torch.cos(x.flatten(1) @ self.drawn))
class Counts(nn.Linear):
    def __init__(self, c): super().__init__(768, c); self.register_buffer("mean", torch.zeros(768), persistent=False)
    def forward(self, x):
        if self.training: self.mean += x.flatten(1).mean(0)
        return super().forward(x.flatten(1) - self.mean)
"""


@pytest.mark.parametrize("body", BODIES)
def test_a_function_that_no_trial_could_use_is_refused_with_the_reason(tmp_path: Path, body: str):
    model = written(tmp_path, AROUND.replace("BODY", body))
    with pytest.raises(ConfigurationError, match=BODIES[body]) as caught:
        check_model(model, 3, 16)
    assert "net.py:make" in str(caught.value)


def test_chance_in_evaluation_is_no_hidden_state(tmp_path: Path):
    body = (
        "m = nn.Sequential(nn.Flatten(), nn.Linear(768, classes))\n"
        "    m.register_forward_pre_hook(lambda m, x: torch.nn.functional.dropout(x[0], 0.5))\n    return m"
    )
    assert check_model(written(tmp_path, AROUND.replace("BODY", body)), 3, 16) == []


def test_a_tensor_that_stays_behind_is_refused_where_the_model_must_move(tmp_path: Path):
    body = (
        "m = nn.Sequential(nn.Flatten(), nn.Linear(768, classes)); scale = torch.ones(768)\n"
        "    m[0].forward = lambda x, f=m[0].forward: torch.flatten(x, 1) * scale\n    return m"
    )
    model = written(tmp_path, AROUND.replace("BODY", body))
    assert check_model(model, 3, 16, ["cpu"]) == []
    with pytest.raises(ConfigurationError, match=r"cannot be moved to cuda:0.*register_buffer"):
        check_model(model, 3, 16, ["cuda:0"])


def test_a_file_or_a_function_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"no file .*gone\.py"):
        check_model(ModelConfig(name=f"{tmp_path / 'gone.py'}:make"), 3, 16)
    written(tmp_path)
    with pytest.raises(ConfigurationError, match=r"has no 'mak'.*'make'"):
        check_model(ModelConfig(name=f"{tmp_path / 'net.py'}:mak"), 3, 16)
    with pytest.raises(ConfigurationError, match="no module 'nowhere_at_all'"):
        check_model(ModelConfig(name="nowhere_at_all:make"), 3, 16)


def test_a_function_of_an_installed_package_is_a_model():
    model = ModelConfig(name="tests.tools.training.own_model:make")
    assert check_model(model, 3, 16) == []
    assert build_model(model, 3, 16, 0)(torch.rand(2, 3, 16, 16)).shape == (2, 3)


def test_a_timm_model_trains_at_the_size_of_the_images_and_knows_its_normalisation(tinted, tmp_path: Path):
    for name in ("timm:test_vit", "timm:test_resnet"):
        assert check_model(ModelConfig(name=name), 3, 16 if "res" in name else 32) == []
    spec = trial_of(tinted, tmp_path, ModelConfig(name="timm:test_resnet"), epochs=1)
    assert train_trial(spec, "cpu", silent).status == "finished"
    pretrained = spec.model_copy(update={"model": ModelConfig(name="timm:test_vit", weights="pretrained")})
    assert normalisation_for(pretrained, None).mean == (127.5, 127.5, 127.5)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"timm has no model 'resnet1888'.*resnet18"):
        check_model(ModelConfig(name="timm:resnet1888"), 3, 32)
    with pytest.raises(ConfigurationError, match=r"no weights 'mine' of resnet18.*a1_in1k"):
        check_model(ModelConfig(name="timm:resnet18.mine"), 3, 32)


def test_efficientnet_lite0_starts_from_the_weights_of_its_package():
    model = ModelConfig(name="efficientnet_lite0", weights="pretrained")
    assert check_model(model, 3, 32) == []
    first, other = build_model(model, 3, 32, 0).state_dict(), build_model(model, 3, 32, 1).state_dict()
    scratch = build_model(ModelConfig(name="efficientnet_lite0"), 3, 32, 0).state_dict()
    assert torch.equal(first["_conv_stem.weight"], other["_conv_stem.weight"])
    assert not torch.equal(first["_conv_stem.weight"], scratch["_conv_stem.weight"])
    assert torch.equal(first["_fc.weight"], scratch["_fc.weight"]), "the head is the trial's own"
    assert not torch.equal(first["_fc.weight"], other["_fc.weight"])


def test_the_normalisation_is_as_stated_else_as_the_weights_expect(tinted, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path)

    def of(**fields: Any):
        return normalisation_for(
            spec.model_copy(update={"model": ModelConfig(**fields)}), tinted.split("train").images
        )

    assert of(weights="torchvision") == IMAGENET == of(normalisation="imagenet")
    assert of() == of(weights="torchvision", normalisation="data") != IMAGENET
    assert of(normalisation="0.5,0.5,0.5/0.25,0.25,0.25").std == (63.75, 63.75, 63.75)
    for wrong in ("half", "0.5/0.5", "1,1,2/1,1,1", "0,0,0/0,1,1"):
        with pytest.raises(ValueError, match=r"0\.485|match pattern"):
            ModelConfig(normalisation=wrong)
    several: list[dict[str, Any]] = [{}, {"normalisation": "imagenet"}, {"download": "no"}]
    keys = {trial_key("{}", "f", ModelConfig(**fields), spec.recipe, 0, 1) for fields in several}
    assert len(keys) == 2, "whether weights may be fetched changes no result"


def test_what_a_file_of_weights_lacks_or_has_besides_is_told(tmp_path: Path):
    model = ModelConfig(name="shufflenet_v2_x0_5")
    torch.manual_seed(1)
    state = build_model(model, 5, 32, 3).state_dict()
    backbone = {f"backbone.{key}": value for key, value in state.items() if not key.startswith("fc.")}
    file = tmp_path / "selfsupervised.safetensors"
    save_file({**backbone, "projector.weight": torch.ones(2, 2)}, file)
    given = ModelConfig(name=model.name, weights=str(file))
    (told,) = check_model(given, 3, 32)
    assert "the head (fc)" in told
    assert "left out" in told
    assert "projector" in told
    built = build_model(given, 3, 32, 0).state_dict()
    assert torch.equal(built["conv1.0.weight"], state["conv1.0.weight"])
    del backbone["backbone.conv5.0.weight"]
    save_file(backbone, file)
    with pytest.raises(ConfigurationError, match=r"does not fit.*1 missing \(conv5\.0\.weight\)"):
        check_model(given, 3, 32)


def test_weights_that_nobody_has_published_are_refused(tmp_path: Path):
    for name, weights in (("timm:test_vit", "torchvision"), ("net.py:make", "pretrained")):
        model = written(tmp_path) if "net" in name else ModelConfig(name=name)
        with pytest.raises(ConfigurationError, match=rf"model\.weights = '{weights}'"):
            check_model(model.model_copy(update={"weights": weights}), 3, 16)


def test_a_function_is_trained_in_a_pack_as_alone(tinted, root: Path, tmp_path: Path):
    model = written(tmp_path / "code").model_copy(update={"normalisation": "imagenet"})
    spec = trial_of(tinted, root, model)
    packed = Run([spec], 1).go().result(spec)
    assert (numbers(packed), left(spec)) == alone(spec, root)
