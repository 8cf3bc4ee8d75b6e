"""One model provider on loopback and one data set for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.llm.refused import forget
from tests.agent.proposers.arms import made_cache
from tests.loopback.server import LoopbackServer


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small decoded data set."""
    return made_cache(tmp_path_factory.mktemp("cache")).folder


@pytest.fixture(autouse=True)
def _servers_have_refused_nothing() -> None:
    forget()
