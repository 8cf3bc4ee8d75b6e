"""What a reviewer sees of an iteration in MLflow, and says to it: one trace, and notes that the model reads."""

import json
import signal
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import AssessmentSource

from agent.memory.reviews import reviewer_notes
from agent.memory.tracking.store import sqlite_uri
from tests.agent import studies
from tests.agent.studies import SHORT, agent, copy_trials, environment, tracking
from tests.loopback.autopilot import autopilot
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, ToolCall
from tests.loopback.server import LoopbackServer

FLIPPED = {
    "hypothesis": "Digits look the same upside down.",
    "expected_gain": 1.0,
    "policy": [
        {"name": "vertical_flip", "probability": 0.5, "parameters": []},
        {"name": "rotate", "probability": 0.5, "parameters": [{"name": "degrees", "value": 5.0}]},
    ],
    "notes": "",
}


def test_an_iteration_is_one_trace_and_what_a_person_notes_on_it_reaches_the_next_prompt(
    finished: Path, runs: Path, monkeypatch: pytest.MonkeyPatch
):
    copy_trials(finished, runs)
    asks: list[Ask] = []

    def brain(ask: Ask) -> Answer:
        asks.append(ask)
        refused = len(asks) == 2  # after a look at the data
        return Answer(tool_calls=(ToolCall("submit_proposal", FLIPPED),)) if refused else autopilot(ask)

    keys = environment(**dict.fromkeys(KEY_VARIABLES, FAKE_KEY))
    with LoopbackServer(brain=brain) as server:
        llm = ("--llm", "openai:loopback", "--llm-base-url", server.openai_url, "--llm.mode", "tools")
        more = ("--search.backgrounds", "off", "--llm.retries", "0", *llm)
        killed = studies.run(runs, *more, size=SHORT, env=keys, moment="after:judge")
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout

        store = tracking(runs)
        (trace,) = store.client.search_traces([store.experiment_id])
        assert trace.info.request_metadata["mlflow.trace.session"] == "s"
        spans = {span.span_id: span for span in trace.data.spans}
        (root,) = [span for span in spans.values() if span.parent_id is None]
        assert root.name == "iteration 1"
        nodes = [span for span in spans.values() if span.parent_id == root.span_id]
        by_start = sorted(nodes, key=lambda span: span.start_time_ns)
        assert [(span.name, span.status.status_code.value) for span in by_start] == [
            ("propose", "OK"),
            ("vet", "ERROR"),
            ("propose", "OK"),
            ("vet", "OK"),
            ("realise", "OK"),
        ]
        assert "a flipped" in json.dumps(by_start[1].outputs) or "vertical_flip" in json.dumps(
            by_start[1].outputs
        )
        inner = [span for span in spans.values() if span.parent_id == by_start[0].span_id]
        assert [
            (span.span_type, span.name) for span in sorted(inner, key=lambda span: span.start_time_ns)
        ] == [
            ("CHAT_MODEL", "propose"),
            ("TOOL", "describe_dataset"),
            ("CHAT_MODEL", "propose"),
        ]

        monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri(runs / "mlflow.db"))
        mlflow.set_tracking_uri(sqlite_uri(runs / "mlflow.db"))
        person = AssessmentSource(source_type="HUMAN", source_id="reviewer@example.org")
        judge = AssessmentSource(source_type="LLM_JUDGE", source_id="judge")
        of = trace.info.trace_id
        for source, value, why in (
            (person, False, "These digits never mirror."),
            (judge, True, "Looks fine to a machine."),
        ):
            mlflow.log_feedback(trace_id=of, name="plausible", value=value, source=source, rationale=why)
        store.client.set_tag(store.study_run, "note", "The scanner blurs:\ntry blur.")
        assert reviewer_notes(store) == (
            "The scanner blurs: try blur.",
            "on iteration 1: plausible: False. These digits never mirror.",
        )
        before = len(asks)
        done = agent("resume", "s", "--runs-dir", str(runs), env=keys)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "reviews this study" not in asks[before - 1].conversation
    told = asks[before].conversation
    assert "Notes of the person who reviews this study" in told
    assert "- The scanner blurs: try blur." in told
    assert "These digits never mirror." in told
    assert "fine to a machine" not in told
    assert {
        trace.info.tags["mlflow.traceName"] for trace in store.client.search_traces([store.experiment_id])
    } == {
        "iteration 1",
        "iteration 2",
    }
