"""Whole studies whose model uses its tools: real clients, a real extra training, real composites, a notebook."""

import json
import shutil
import signal
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet as pq
import pytest

from evaluators.fit import State
from tests.agent import studies
from tests.agent.studies import SHORT, agent, conclusions, copy_trials, environment, ledger, tracking
from tests.loopback.autopilot import draw_proposal
from tests.loopback.clients import FAKE_KEY, KEY_VARIABLES
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, Reply, ToolCall
from tests.loopback.server import LoopbackServer

PROMPTS = {
    "subject": "digit",
    "scale": 0.5,
    "instructions": ["a photograph of"],
    "settings": ["a brick wall", "woven cloth"],
    "times": ["at noon"],
    "avoid": [],
    "flip_probability": 0.0,
    "max_rotation": 0.0,
    "min_scale": 0.9,
    "max_scale": 1.1,
}
NOTES = "Errors are mostly of 3 and 8: thin strokes."
KEYS = dict.fromkeys(KEY_VARIABLES, FAKE_KEY)


class Curious:
    """A model that looks at errors and composites once, makes a mistake in its first proposal, and takes notes."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []

    def __call__(self, ask: Ask) -> Reply:
        self.asks.append(ask)
        looked, refused = (
            "## show_errors" in ask.conversation,
            "Your answer was not accepted" in ask.conversation,
        )
        if not looked and ask.tool_results == 0 and "show_errors" in ask.tools:
            calls = (
                ToolCall("show_errors", {"classes": []}),
                ToolCall("preview_backgrounds", {"backgrounds": PROMPTS}),
            )
            return Answer(tool_calls=calls)
        proposal: dict[str, Any] = {**draw_proposal(ask), "backgrounds": [], "notes": ""}
        if not looked and not refused:
            proposal |= {"notes": NOTES, "policy": []}
        return Answer(tool_calls=(ToolCall("submit_proposal", proposal),))


def run(runs: Path, server: LoopbackServer, provider: str = "openai", *more: str, **how: Any):
    url = server.openai_url if provider == "openai" else server.gemini_url
    llm = (
        "--llm",
        f"{provider}:loopback",
        "--llm-base-url",
        url,
        "--llm.retries",
        "0",
        "--llm.timeout",
        "60",
    )
    settings = ("--search.backgrounds", "optional", "--llm.vision", "true", *llm, *more)
    return studies.run(runs, *settings, size=SHORT, env=environment(**KEYS), **how)


@pytest.fixture(scope="module")
def curious(once, empty_store) -> Path:
    """A study that ran through, and what its model was asked; the others here find its trials."""

    def make(runs: Path) -> None:
        shutil.copy(empty_store, runs)
        model = Curious()
        with LoopbackServer(brain=model) as server:
            done = run(runs, server)
        assert done.returncode == 0, done.stderr + done.stdout
        (runs / "asks.json").write_text(json.dumps([asdict(ask) for ask in model.asks]))

    return once("curious", make)


@pytest.fixture
def runs(runs, curious) -> Path:
    copy_trials(curious, runs)
    return runs


def asked(runs: Path) -> list[Ask]:
    return [Ask(**ask) for ask in json.loads((runs / "asks.json").read_text())]


def probes(runs: Path) -> list[Any]:
    store = tracking(runs)
    return store.client.search_runs([store.experiment_id], "tags.study = 's' and tags.phase = 'probe'")


def probe_key(runs: Path) -> str:
    (key,) = {item.data.tags["trial_key"] for item in probes(runs) if item.data.tags["kind"] == "trial"}
    return key


def check_what_was_told(asks: list[Ask]) -> None:
    first, after_tools, after_refusal, second = asks
    for tool in ("describe_dataset", "preview_policy", "preview_backgrounds", "show_errors", "read_results"):
        assert tool in first.tools
    assert [ask.images for ask in asks] == [1, 3, 1, 1]
    assert "trained without augmentation on" in after_tools.conversation
    assert "Backgrounds that were tried: 8" in after_tools.conversation
    assert "accepted: A photograph of a brick wall at noon (" in after_tools.conversation
    for later in (after_refusal, second):
        assert "## show_errors" in later.conversation
        assert "## preview_backgrounds: digit | a photograph of | a brick wall" in later.conversation
        assert NOTES in later.conversation
        assert later.tool_results == 0
    assert "Your answer was not accepted" in after_refusal.conversation
    assert "Your answer was not accepted" not in second.conversation


def test_what_a_model_looked_up_survives_a_refusal_and_the_iteration(curious):
    check_what_was_told(asked(curious))


def test_so_it_does_with_gemini(runs):
    model = Curious()
    with LoopbackServer(brain=model) as server:
        done = run(runs, server, "google_genai")
    assert done.returncode == 0, done.stderr + done.stdout
    check_what_was_told(model.asks)


def test_the_training_whose_errors_are_shown_is_counted_and_compared_with_nothing(curious):
    kinds = {item.data.tags["kind"]: item for item in probes(curious)}
    assert set(kinds) == {"iteration", "trial"}
    assert {item.info.status for item in kinds.values()} == {"FINISHED"}
    assert "validation_accuracy" not in kinds["iteration"].data.metrics
    key = probe_key(curious)
    trained = [e for e in ledger(curious) if e["kind"] == "trial" and e["id"] == f"trial:{key}"]
    assert trained
    assert not any(event["reused"] for event in trained)
    store = tracking(curious)
    assert [record.name for record in store.records()].count("no augmentation") == 1
    assert [each.tool for each in store.notebook().look_ups] == ["show_errors", "preview_backgrounds"]
    assert store.notebook().notes == NOTES
    judged = store.client.search_runs([store.experiment_id], "tags.study = 's' and tags.phase = 'search'")
    for item in (run for run in judged if run.data.tags["kind"] == "iteration"):
        assert item.data.tags["training"] in get_args(State)
        assert 0 <= item.data.metrics["clean_training_accuracy"] <= 1
    assert not (curious / "trials" / key / "weights.safetensors").exists()


def test_no_image_of_validation_or_test_is_in_what_is_shown(curious):
    """What the extra training left out is a fifth of the training images; composites are made of such images."""
    (view,) = (curious / "cache").glob("*/views/*")
    train = set(json.loads((view / "train.json").read_text())["files"])
    result = json.loads((curious / "trials" / probe_key(curious) / "result.json").read_text())
    left_out = sum(sum(row) for row in result["scores"]["confusion"])
    assert left_out == pytest.approx(len(train) / 5, rel=0.2)
    assert f"and asked about {left_out} others that it had not seen" in asked(curious)[1].conversation
    (preview,) = [folder for folder in (curious / "aga/sets").iterdir() if folder.is_dir()]
    rows = pq.read_table(preview / "provenance.parquet", columns=["split", "source_file"]).to_pylist()
    assert len(rows) == 8
    assert {row["split"] for row in rows} == {"train"}
    assert {row["source_file"] for row in rows} <= train


def test_killed_in_the_extra_training_it_resumes_and_trains_it_once(runs, curious):
    shutil.rmtree(runs / "trials" / probe_key(curious))
    with LoopbackServer(brain=Curious()) as server:
        killed = run(runs, server, moment="epoch:1")
        assert killed.returncode == -signal.SIGKILL, killed.stderr + killed.stdout
        resumed = agent("resume", "s", "--runs-dir", str(runs), env=environment(**KEYS))
    assert resumed.returncode == 0, resumed.stderr
    assert probe_key(runs) == probe_key(curious)
    events = [e for e in ledger(runs) if e.get("id") == f"trial:{probe_key(curious)}"]
    counted = [e["epoch"] for e in events if e["kind"] == "epoch"]
    assert counted in ([0, 1, 2], [0, 1])  # the worker may have ended the trial before it noticed the death
    assert conclusions(runs) == conclusions(curious)


def test_it_is_not_offered_where_the_budget_has_no_room_for_it(runs, curious):
    shutil.rmtree(runs / "trials" / probe_key(curious))
    model = Curious()
    with LoopbackServer(brain=model) as server:
        run(runs, server, "openai", "--budget.trials", "1")
    assert model.asks
    assert "preview_policy" in model.asks[0].tools
    assert not any("show_errors" in ask.tools for ask in model.asks)
