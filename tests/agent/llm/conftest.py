"""One model provider on loopback for all tests of this folder; each test tells it what to reply."""

from collections.abc import Iterator

import pytest

from tests.loopback.server import LoopbackServer


@pytest.fixture(scope="session")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running
