"""Fixtures of the background makers' tests: one tiny SDXL for all of them, offline and on one thread."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import huggingface_hub.constants
import pytest
import torch

from tests.tools.aga.backgrounds.diffusion_cases import Settings
from tests.tools.aga.tiny_sdxl import build_tiny_sdxl
from tools.aga.config import BackgroundConfig


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny SDXL."""
    return build_tiny_sdxl(tmp_path_factory.mktemp("tiny") / "sdxl")


@pytest.fixture(scope="session")
def settings(tiny_sdxl: Path) -> Settings:
    def make(**changes: Any) -> BackgroundConfig:
        base: dict[str, Any] = {"kind": "diffusion", "model": str(tiny_sdxl), "steps": 2, "devices": "cpu"}
        return BackgroundConfig(**{**base, **changes})

    return make


@pytest.fixture(scope="module", autouse=True)
def offline_on_one_thread() -> Iterator[None]:
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    offline = huggingface_hub.constants.HF_HUB_OFFLINE
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    yield
    torch.set_num_threads(threads)
    cv2.setNumThreads(cv_threads)
    huggingface_hub.constants.HF_HUB_OFFLINE = offline
