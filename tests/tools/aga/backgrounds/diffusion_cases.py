"""What the tests of the diffusion back end share: settings for a tiny SDXL, captions, and a look into the pipeline."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tools.aga.tiny_sdxl import SIDE
from tools.aga.backgrounds.diffusion_loading import load_pipeline
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.config import BackgroundConfig

CAPTIONS = ["a forest at dawn", "the sea in winter", "an empty street", "a meadow", "sand"]
SEEDS = [1, 2, 3, 4, 5]

Settings = Callable[..., BackgroundConfig]


@pytest.fixture(scope="module", autouse=True, name="offline_on_one_thread")
def offline_fixture() -> Iterator[None]:
    import huggingface_hub.constants
    import torch

    threads, offline = torch.get_num_threads(), huggingface_hub.constants.HF_HUB_OFFLINE
    torch.set_num_threads(1)
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    yield
    torch.set_num_threads(threads)
    huggingface_hub.constants.HF_HUB_OFFLINE = offline


@pytest.fixture(name="settings")
def settings_fixture(tiny_sdxl: Path) -> Settings:
    def make(**changes: Any) -> BackgroundConfig:
        basis: dict[str, Any] = {"kind": "diffusion", "model": str(tiny_sdxl), "steps": 2, "devices": "cpu"}
        return BackgroundConfig(**{**basis, **changes})

    return make


def pictures_of(config: BackgroundConfig, count: int = 2) -> np.ndarray:
    return np.stack(make_background_maker(config).make(CAPTIONS[:count], SEEDS[:count], SIDE)).astype(int)


class Recorder:
    """Loads the real pipeline and keeps it, to be looked at."""

    def __init__(self) -> None:
        self.pipeline: Any = None
        self.batches: list[int] = []

    def __call__(self, config: BackgroundConfig, device: str) -> Any:
        self.pipeline = load_pipeline(config, device)
        self.pipeline.text_encoder.register_forward_pre_hook(
            lambda _, inputs: self.batches.append(len(inputs[0]))
        )
        return self.pipeline
