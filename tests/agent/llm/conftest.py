"""One model provider on loopback for all tests of this folder; each test tells it what to reply."""

from collections.abc import Iterator

import pytest

from agent.llm.refused import forget
from tests.loopback.server import LoopbackServer


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _servers_have_refused_nothing() -> None:
    forget()
