"""Pictures reach a server outside this network only with consent: a loopback provider counts them.

The provider is asked under a public address, through a proxy, as in a company; the proxy is the provider itself.
"""

import base64
import hashlib
import json
from typing import Any

from agent.starting.consent import NAME
from tests.agent import studies
from tests.agent.studies import SHORT, environment, ledger
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.protocols import Ask
from tests.loopback.replies import Failure, Reply
from tests.loopback.server import LoopbackServer

HOST = "203.0.113.7"  # RFC 5737: nobody's


def env(server: LoopbackServer) -> dict[str, str]:
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy"), server.address)
    return environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY), **proxies)


def only_looks(ask: Ask) -> Reply:
    """A model that calls a tool, and then is away, which stops the study."""
    return Failure(500) if ask.tool_results else autopilot(ask)


def sent(server: LoopbackServer) -> set[str]:
    """SHA-256 of every picture that came over the wire."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict) and (url := value.get("image_url", {}).get("url", "")):
            found.add(hashlib.sha256(base64.b64decode(url.partition(",")[2])).hexdigest())
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(each)

    look([request.body for request in server.requests])
    return found


def test_without_an_answer_no_picture_is_sent_and_with_one_the_ledger_has_them_all(runs) -> None:
    with LoopbackServer(brain=only_looks, models=("gpt-5-mini",)) as server:
        llm = ("--llm", "openai:gpt-5-mini", "--llm-base-url", f"http://{HOST}/v1", "--llm.retries", "0")
        done = studies.run(runs, *llm, size=SHORT, env=env(server))
        assert done.returncode == 1, done.stderr + done.stdout
        assert f"pictures: not sent to {HOST}, since there is no terminal to ask you" in done.stdout
        assert [request.ask.images for request in server.requests] == [0, 0]
        assert not [event for event in ledger(runs) if event["kind"] == "pictures"]

        # as the question writes it down (tests/agent/test_consent.py)
        (runs / "studies/s" / NAME).write_text(json.dumps({HOST: True}))
        done = studies.resume(runs, env=env(server))
        assert f"pictures: are sent to {HOST}, as you answered before" in done.stdout, done.stderr
        assert [request.ask.images for request in server.requests] == [0, 0, 1, 2]
        known = [event for event in ledger(runs) if event["kind"] == "pictures"]
        assert {event["host"] for event in known} == {HOST}
        assert {digest for event in known for digest in event["sha256"]} == sent(server) != set()
