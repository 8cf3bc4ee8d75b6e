"""Decoded images that somebody removes in the middle of a study: it stops, and goes on once they are made again."""

import shutil

from tests.agent import studies
from tests.agent.studies import SHORT, agent, environment, ledger
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY
from tests.loopback.protocols import Ask
from tests.loopback.replies import Reply
from tests.loopback.server import LoopbackServer

KEYS = environment(OPENAI_API_KEY=FAKE_KEY, NO_PROXY="127.0.0.1")


def test_a_cache_that_is_removed_stops_the_study_and_resuming_makes_it_again(runs):
    def brain(ask: Ask) -> Reply:
        if not removed:
            removed.append(True)
            shutil.rmtree(runs / "cache")
        return autopilot(ask)

    removed: list[bool] = []
    with LoopbackServer(brain=brain) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--search.backgrounds", "off")
        stopped = studies.run(runs, *llm, size=SHORT, env=KEYS)
        assert stopped.returncode == 1, stopped.stdout
        assert "will be made again" in stopped.stderr
        assert "Nothing is lost. Resume with: agent resume s" in stopped.stderr
        assert "Traceback" not in stopped.stderr
        trained = sum(event["kind"] == "trial" for event in ledger(runs))
        assert trained == 1, "the reference; no candidate is judged by what is gone"
        resumed = agent("resume", "s", "--runs-dir", str(runs), env=KEYS)
    assert resumed.returncode == 0, resumed.stderr
    assert (runs / "studies/s/report.md").exists()
