from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision import models as torchvision_models
from torchvision.models import get_model

from tools.errors import ConfigurationError
from tools.training.config import ModelConfig
from tools.training.networks.models import build_model, check_model, slowest_norm
from tools.training.networks.names import model_names
from tools.training.networks.stems import HALVINGS, apply_stem, shrunk_kernel, stem_for

NAMED = [
    "resnet18",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "squeezenet1_1",
    "googlenet",
    "vit_b_32",
]


def one_step(name: str, size: int) -> torch.Tensor:
    model = build_model(ModelConfig(name=name), 3, size, seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    logits = model(torch.rand(2, 3, size, size))
    nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    optimizer.step()
    return logits


def test_the_names_that_are_known_before_torchvision_is_imported_are_all_of_its_names():
    assert list(model_names()) == sorted(torchvision_models.list_models(module=torchvision_models))


@pytest.mark.parametrize("name", NAMED)
def test_a_model_trains_a_step_on_images_of_32_px(name: str):
    logits = one_step(name, 32)
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_a_model_trains_a_step_on_images_of_224_px():
    assert one_step("shufflenet_v2_x0_5", 224).shape == (2, 3)


def convolution_sides(name: str, size: int, stem: str) -> list[int]:
    """Sides of what each convolution gives for an image of `size` pixels."""
    sides: list[int] = []
    with torch.device("meta"):
        model = get_model(name, weights=None)
    apply_stem(model.to("meta"), name, stem)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, given, made: sides.append(made.shape[-1]))
    model.to("meta")(torch.empty(2, 3, size, size, device="meta"))
    return sides


@pytest.mark.parametrize(("size", "stem"), [(32, "small"), (64, "small-pool")])
def test_small_images_keep_some_space_to_the_last_layer(size: int, stem: str):
    for family in HALVINGS:
        name = next(name for name in model_names() if name.startswith(family))
        assert stem_for(ModelConfig(name=name), size) == stem
        # squeeze-and-excitation works on 1x1 means of the whole image
        assert min(side for side in convolution_sides(name, size, stem) if side > 1) == 4, name


def test_the_automatic_stem_goes_by_the_image_size():
    sizes = {28: "small", 32: "small", 33: "small-pool", 64: "small-pool", 65: "imagenet"}
    assert {size: stem_for(ModelConfig(), size) for size in sizes} == sizes


def test_a_stem_asked_for_is_taken_whatever_the_size():
    model = build_model(ModelConfig(stem="imagenet"), 3, 32, seed=0)
    assert model.get_submodule("conv1").kernel_size == (7, 7)
    model = build_model(ModelConfig(stem="small"), 3, 224, seed=0)
    assert model.get_submodule("conv1").stride == (1, 1)
    assert isinstance(model.get_submodule("maxpool"), nn.Identity)


def test_a_family_without_a_small_stem_refuses_it():
    assert stem_for(ModelConfig(name="vgg11"), 32) == "imagenet"
    with pytest.raises(ConfigurationError, match=r"vgg11.*model\.stem.*resnet"):
        build_model(ModelConfig(name="vgg11", stem="small"), 3, 32, seed=0)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, again, other = (
        build_model(ModelConfig(name="shufflenet_v2_x0_5"), 3, 32, seed).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["fc.weight"], other["fc.weight"])


def test_building_neither_uses_nor_changes_the_callers_random_state():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_model(ModelConfig(name="shufflenet_v2_x0_5"), 3, 32, seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigurationError, match=r"resnet81.*model\.name.*resnet18") as caught:
        check_model(ModelConfig(name="resnet81"), 3, 32)
    assert caught.value.exit_code == 2


def test_images_that_a_model_cannot_take_are_refused_before_any_trial():
    for name, size in (("alexnet", 32), ("vit_b_16", 50), ("inception_v3", 64)):
        with pytest.raises(ConfigurationError, match=rf"{name}.*{size} px.*data\.image_size"):
            check_model(ModelConfig(name=name), 3, size)


def test_a_model_that_will_train_passes_the_check():
    for name in ("resnet18", "regnet_y_400mf", "vit_b_16", "swin_t", "convnext_tiny"):
        check_model(ModelConfig(name=name), 3, 32)


def saved(tmp_path: Path, name: str, classes: int, suffix: str, wrap: str = "", prefix: str = "") -> Path:
    """Weights of a model with its ImageNet stem, as other programs save them."""
    torch.manual_seed(9)
    state = {prefix + key: value for key, value in get_model(name, num_classes=classes).state_dict().items()}
    file = tmp_path / f"weights{suffix}"
    if suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save({wrap: state, "epoch": 3} if wrap else state, file)
    return file


@pytest.mark.parametrize(
    ("suffix", "wrap", "prefix"),
    [(".safetensors", "", ""), (".pth", "", ""), (".pth", "model", ""), (".pth", "state_dict", "module.")],
)
def test_training_starts_from_a_local_file(tmp_path: Path, suffix: str, wrap: str, prefix: str):
    file = saved(tmp_path, "resnet18", 3, suffix, wrap, prefix)
    torch.manual_seed(9)
    expected = get_model("resnet18", num_classes=3).state_dict()
    built = build_model(ModelConfig(weights=str(file)), 3, 224, seed=0).state_dict()
    assert all(torch.equal(built[key], expected[key]) for key in expected)


def test_a_head_for_other_classes_starts_fresh_and_everything_else_is_kept(tmp_path: Path):
    file = saved(tmp_path, "resnet18", 1000, ".safetensors")
    config = ModelConfig(weights=str(file))
    built = build_model(config, 3, 224, seed=0).state_dict()
    fresh = build_model(ModelConfig(), 3, 224, seed=0).state_dict()
    torch.manual_seed(9)
    given = get_model("resnet18", num_classes=1000).state_dict()
    assert torch.equal(built["fc.weight"], fresh["fc.weight"])
    assert all(torch.equal(built[key], given[key]) for key in built if not key.startswith("fc."))


def test_a_pretrained_7x7_kernel_is_carried_over_to_a_small_stem(tmp_path: Path):
    file = saved(tmp_path, "resnet18", 3, ".safetensors")
    built = build_model(ModelConfig(weights=str(file)), 3, 32, seed=0)
    torch.manual_seed(9)
    kernel = get_model("resnet18", num_classes=3).state_dict()["conv1.weight"]
    assert torch.equal(built.state_dict()["conv1.weight"], shrunk_kernel(kernel, (3, 3)))


def test_a_shrunk_kernel_answers_a_half_size_image_as_the_large_one_the_whole():
    torch.manual_seed(0)
    smooth = nn.functional.interpolate(torch.rand(1, 1, 8, 8), size=(64, 64), mode="bicubic")
    half = nn.functional.interpolate(smooth, size=(32, 32), mode="bilinear", antialias=True)
    # an edge detector, as pretrained first layers hold many
    line = torch.linspace(-1, 1, 7)
    kernel = (line[None, :] * torch.hann_window(9)[1:-1, None]).reshape(1, 1, 7, 7)
    large = nn.functional.conv2d(smooth, kernel, stride=2, padding=3)
    small = nn.functional.conv2d(half, shrunk_kernel(kernel, (3, 3)), padding=1)
    inner = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    both = torch.stack([large[inner].flatten(), small[inner].flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.98


def test_weights_of_another_model_are_refused_by_name(tmp_path: Path):
    file = saved(tmp_path, "resnet50", 3, ".safetensors")
    with pytest.raises(ConfigurationError, match=r"does not fit 'resnet18'.*unknown.*layer1"):
        build_model(ModelConfig(weights=str(file)), 3, 224, seed=0)


class Loaded:
    """Code that a pickle would run."""


@pytest.mark.parametrize("content", [b"", b"not a file of weights", None], ids=["empty", "text", "code"])
def test_a_file_that_holds_no_plain_weights_is_refused(tmp_path: Path, content: bytes | None):
    file = tmp_path / "weights.pth"
    if content is None:
        torch.save({"fc.weight": Loaded()}, file)
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"weights\.pth"):
        build_model(ModelConfig(weights=str(file)), 3, 224, seed=0)


def test_a_missing_weights_file_is_refused_before_any_trial(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"gone\.pth.*model\.weights"):
        check_model(ModelConfig(weights=str(tmp_path / "gone.pth")), 3, 224)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_a_torn_weights_file_is_refused_before_any_trial(tmp_path: Path, suffix: str, kept: float):
    file = saved(tmp_path, "shufflenet_v2_x0_5", 3, suffix)
    config = ModelConfig(name="shufflenet_v2_x0_5", weights=str(file))
    check_model(config, 3, 32)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ConfigurationError, match=rf"{file.name} cannot be read"):
        check_model(config, 3, 32)


def test_weights_of_another_model_or_not_finite_are_refused_before_any_trial(tmp_path: Path):
    file = saved(tmp_path, "resnet18", 3, ".pth")
    with pytest.raises(ConfigurationError, match="does not fit 'shufflenet_v2_x0_5'"):
        check_model(ModelConfig(name="shufflenet_v2_x0_5", weights=str(file)), 3, 32)
    state = torch.load(file, weights_only=True)
    state["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, file)
    with pytest.raises(ConfigurationError, match=r"NaN or infinite \(layer1\.0\.conv1\.weight\)"):
        check_model(ModelConfig(weights=str(file)), 3, 32)


def test_torchvision_weights_that_cannot_be_fetched_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    # a proxy that nothing listens at: the machine is offline
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(ConfigurationError, match=r"resnet18.*could not be fetched.*model\.weights"):
        build_model(ModelConfig(weights="torchvision"), 3, 224, seed=0)


def test_torchvision_weights_are_read_from_its_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from torchvision.models import ShuffleNet_V2_X0_5_Weights

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.manual_seed(9)
    given = get_model("shufflenet_v2_x0_5").state_dict()
    file = Path(ShuffleNet_V2_X0_5_Weights.DEFAULT.url).name
    torch.save(given, tmp_path / "hub" / "checkpoints" / file)
    config = ModelConfig(name="shufflenet_v2_x0_5", weights="torchvision")
    built = build_model(config, 3, 32, seed=0).state_dict()
    assert torch.equal(built["conv5.0.weight"], given["conv5.0.weight"])
    assert built["fc.weight"].shape[0] == 3


def test_the_momentum_of_batch_normalisation_is_the_models_own_unless_it_is_given():
    assert momenta(ModelConfig(name="mobilenet_v3_small")) == {0.01}
    assert momenta(ModelConfig(name="mobilenet_v3_small", norm_momentum=0.1)) == {0.1}
    assert slowest_norm(ModelConfig(name="mobilenet_v3_small"), 2, 64) == 0.01
    assert slowest_norm(ModelConfig(name="convnext_tiny"), 2, 64) is None
    assert slowest_norm(ModelConfig(name="no_such_net"), 2, 64) is None


def momenta(config: ModelConfig) -> set[float | None]:
    modules = build_model(config, 2, 64, 0).modules()
    return {module.momentum for module in modules if isinstance(module, nn.BatchNorm2d)}


def test_a_training_of_few_steps_predicts_as_it_has_learnt_only_with_statistics_that_follow():
    """EfficientNet-Lite0, whose own statistics are averages over 100 steps, trained for 40."""
    torch.manual_seed(0)
    labels = torch.arange(16) % 2
    images = torch.randn(16, 3, 32, 32) + 2.0 * labels[:, None, None, None]

    def accuracies(momentum: float | Literal["auto"]) -> tuple[float, float]:
        model = build_model(ModelConfig(name="efficientnet_lite0", norm_momentum=momentum), 2, 32, 0)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for step in range(40):
            optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 40)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        in_training = (model(images).argmax(1) == labels).float().mean()
        in_use = (model.eval()(images).argmax(1) == labels).float().mean()
        return float(in_training), float(in_use)

    assert min(accuracies(0.1)) > 0.85
    in_training, in_use = accuracies("auto")
    assert in_training > 0.85
    assert in_use < 0.7
