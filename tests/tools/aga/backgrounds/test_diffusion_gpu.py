"""The diffusion back end on a CUDA device; run with `make test-gpu`."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tools.aga.tiny_sdxl import SIDE
from tools.aga.backgrounds.diffusion import DiffusionMaker
from tools.aga.backgrounds.diffusion_workers import ShardedDiffusionMaker
from tools.aga.config import BackgroundConfig

pytestmark = pytest.mark.gpu

CAPTIONS = ["a forest at dawn", "the sea in winter", "an empty street"]
SEEDS = [1, 2, 3]


@pytest.fixture(autouse=True)
def cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


def config_of(folder: Path, **changes: object) -> BackgroundConfig:
    return BackgroundConfig.model_validate(
        {"kind": "diffusion", "model": str(folder), "steps": 2, "batch_size": 2, **changes}
    )


def made(config: BackgroundConfig, device: str) -> np.ndarray:
    return np.stack(DiffusionMaker(config, device).make(CAPTIONS, SEEDS, SIDE)).astype(int)


def test_float32_makes_nearly_the_pictures_of_the_cpu(tiny_sdxl: Path) -> None:
    config = config_of(tiny_sdxl, dtype="float32")
    assert np.abs(made(config, "cuda:0") - made(config, "cpu")).max() <= 8


def test_auto_is_float16_with_a_safe_vae(tiny_sdxl: Path) -> None:
    assert json.loads(DiffusionMaker(config_of(tiny_sdxl), "cuda:0").identity)["dtype"] == "float16"
    difference = np.abs(
        made(config_of(tiny_sdxl), "cuda:0") - made(config_of(tiny_sdxl, dtype="float32"), "cpu")
    )
    assert difference.mean() < 8


@pytest.mark.parametrize("offload", ["model", "sequential"])
def test_offloading_changes_no_picture(tiny_sdxl: Path, offload: str) -> None:
    plain, offloaded = (made(config_of(tiny_sdxl, offload=each), "cuda:0") for each in ("none", offload))
    assert np.abs(plain - offloaded).max() <= 4


def test_two_processes_make_the_same_pictures_as_one(tiny_sdxl: Path) -> None:
    with ShardedDiffusionMaker(config_of(tiny_sdxl), ["cuda:0", "cuda:0"]) as maker:
        pictures = np.stack(maker.make(CAPTIONS, SEEDS, SIDE)).astype(int)
    assert np.abs(pictures - made(config_of(tiny_sdxl), "cuda:0")).max() <= 4
