"""Fixtures of the execution tests."""

import pytest

from tests.tools.training.trials import tiny_data
from tools.datasets.cache.read import CachedDataset


@pytest.fixture(scope="session")
def tinted(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    """Real decoded images of three classes, 16 px."""
    return tiny_data(tmp_path_factory.mktemp("tinted"))
