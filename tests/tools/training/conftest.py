"""Fixtures of the training tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.tools.training.trials import SOURCES, tiny_data, write_set
from tools.datasets.cache.read import CachedDataset


@pytest.fixture(scope="session")
def tinted(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    """Real decoded images of three classes, 16 px."""
    return tiny_data(tmp_path_factory.mktemp("tinted"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where trials of one test lie."""
    return tmp_path / "trials"


@pytest.fixture
def folder(tinted: CachedDataset, tmp_path: Path) -> Path:
    """Seven synthetic images of the tinted training images."""
    return write_set(tmp_path / "set", SOURCES, tinted.split("train").labels[SOURCES])
