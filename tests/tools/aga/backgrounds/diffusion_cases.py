"""What the tests of the diffusion back end share: captions, pictures of a configuration, and access to the pipeline."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.tools.aga.tiny_sdxl import SIDE
from tools.aga.backgrounds.diffusion_loading import load_pipeline
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.config import BackgroundConfig

CAPTIONS = ["a forest at dawn", "the sea in winter", "an empty street", "a meadow", "sand"]
SEEDS = [1, 2, 3, 4, 5]

Settings = Callable[..., BackgroundConfig]


def pictures_of(config: BackgroundConfig, count: int = 2) -> np.ndarray:
    return np.stack(make_background_maker(config).make(CAPTIONS[:count], SEEDS[:count], SIDE)).astype(int)


class Recorder:
    """Loads the real pipeline and keeps it, for inspection."""

    def __init__(self) -> None:
        self.pipeline: Any = None
        self.batches: list[int] = []

    def __call__(self, config: BackgroundConfig, device: str) -> Any:
        self.pipeline = load_pipeline(config, device)
        self.pipeline.text_encoder.register_forward_pre_hook(
            lambda _, inputs: self.batches.append(len(inputs[0]))
        )
        return self.pipeline
