"""The loop as LangGraph's own server runs it: node by node, each in a session of its own."""

import json
from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from agent import studio
from agent.graph import build_graph
from tests.agent.service.services import SETTINGS
from tests.agent.studies import NODES, agent, ledger, tracking
from tests.repository import ROOT
from tools.errors import ConfigurationError

_THREAD = {"configurable": {"thread_id": "0123456789"}}


def test_langgraph_json_names_the_loop_with_forms_for_its_state_and_its_context() -> None:
    (place,) = json.loads((ROOT / "langgraph.json").read_text())["graphs"].values()
    file, _, name = place.partition(":")
    assert (ROOT / file).samefile(studio.__file__)
    graph = getattr(studio, name)
    drawn = graph.get_graph()
    assert [node for node in drawn.nodes if not node.startswith("__")] == NODES
    assert {(e.source, e.target) for e in drawn.edges} == {
        (e.source, e.target) for e in build_graph(None).get_graph().edges
    }
    assert set(graph.get_context_jsonschema()["properties"]) == {"study", "settings", "runs_dir"}
    assert "iteration" in graph.get_input_jsonschema()["properties"]


def test_a_study_that_is_neither_there_nor_described_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no study 'studio-01234567'"):
        studio.graph.invoke({"stop": ""}, _THREAD, context={"runs_dir": str(tmp_path)})


@pytest.mark.slow
def test_a_study_is_run_node_by_node_and_can_be_resumed_as_any_other(runs: Path) -> None:
    saver = InMemorySaver()
    graph = build_graph(saver, around=studio._stepwise, context=studio.Chosen)
    chosen = {"study": "s", "settings": {**SETTINGS, "search.iterations": 2}, "runs_dir": str(runs)}
    graph.invoke({"stop": ""}, _THREAD, context=chosen, interrupt_before=["judge"])
    assert graph.get_state(_THREAD).next == ("judge",)
    assert tracking(runs).study_status() == "KILLED"
    resumed = agent("resume", "s", "--runs-dir", str(runs))
    assert resumed.returncode == 0, resumed.stderr
    assert tracking(runs).study_status() == "FINISHED"
    keys = [event["id"] for event in ledger(runs) if event["kind"] == "trial"]
    assert len(keys) == len(set(keys))
