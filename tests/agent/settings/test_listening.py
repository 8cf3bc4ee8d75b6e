"""Where a command listens, and what it says of that."""

import pytest

from agent.settings.listening import reached_at
from tests.agent.studies import agent


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),
        ("::1", "http://[::1]:5000"),
        ("::", "http://[::1]:5000"),
        ("example.org", "http://example.org:5000"),
    ],
)
def test_the_address_is_one_that_a_browser_takes(host: str, address: str) -> None:
    assert reached_at(host, 5000) == address


@pytest.mark.parametrize("command", ["ui", "serve"])
def test_an_empty_host_is_refused(command: str) -> None:
    refused = agent(command, "--host", "")
    assert refused.returncode == 2
    assert "--host: it is empty: 127.0.0.1 is" in refused.stderr
