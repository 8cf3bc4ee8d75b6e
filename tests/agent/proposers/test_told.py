"""Names of a user's classes, folders and files in what goes over the wire: none, unless they may."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from agent.memory.history import History, Rejection
from agent.memory.look_ups import LookUp, Notebook
from agent.memory.proposal import Proposal
from agent.proposers.llm import LLMProposer
from tests.agent.proposers.arms import Instruments, history, operation, proposal, record
from tests.loopback.clients import PROVIDERS, connected, llm_config
from tests.loopback.replies import Answer, ToolCall
from tests.loopback.server import LoopbackServer
from tests.prompts.told import PROMPTS
from tools.aga.config import PromptSet
from tools.aga.making.preview_rows import Preview

CLASSES = ("Smith_Anna", "Jones_Bob")
SECRETS = ("smith", "jones", "clinic")
GOOD = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
SUBMIT = Answer(tool_calls=(ToolCall("submit_proposal", GOOD.model_dump()),))
CALLS = Answer(
    tool_calls=(
        ToolCall("describe_dataset", {"classes": ["class 2"]}),
        ToolCall("preview_policy", {"operations": [each.model_dump() for each in GOOD.policy]}),
        ToolCall("preview_backgrounds", {"backgrounds": PROMPTS.model_dump()}),
        ToolCall("show_errors", {"classes": []}),
        ToolCall("read_results", {}),
    )
)


class Clinic(Instruments):
    def preview_backgrounds(self, prompts: PromptSet) -> Preview:
        made = super().preview_backgrounds(prompts)
        rows = tuple(replace(row, label=CLASSES[0]) for row in made.rows)
        verdicts = tuple(
            replace(each, what=name) for each, name in zip(made.composites, CLASSES, strict=True)
        )
        return replace(made, rows=rows, composites=verdicts, skipped=(("clinic/jones 1.png is empty", 1),))


@pytest.fixture
def clinic(cache: Path) -> History:
    """A study of a folder whose classes are patients, which has told their names before."""
    plain = history(cache)
    failed = record(2, GOOD, None, reason="cannot read /clinic/Smith_Anna/1.png: truncated")
    past = (record(1, GOOD.model_copy(update={"hypothesis": "Jones_Bob is darker."}), 0.8, gain=0.05), failed)
    return replace(
        plain,
        card=replace(plain.card, title="clinic_17", classes=CLASSES, private=("title", "classes")),
        class_counts=dict(zip(CLASSES, (12, 4), strict=True)),
        model="resnet18, weights /clinic/smith.pth",
        past=past,
        incumbent=past[0],
        iteration=3,
        backgrounds="optional",
        instruments=Clinic(cache),
        rejections=(Rejection("{}", ("the entry 'x' names 'Smith_Anna', which is a class",)),),
        reviewer_notes=("Mind Jones_Bob.",),
        notebook=Notebook("Smith_Anna is hard.", (LookUp("show_errors", CLASSES[0], "Jones_Bob: 3"),)),
    )


@pytest.fixture
def bodies(
    server: LoopbackServer, clinic: History, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    def asking(provider: str, far: bool = True, **settings: str) -> list[str]:
        monkeypatch.setattr("agent.llm.privacy.is_near", lambda llm, environ=None: not far)
        server.play(CALLS, SUBMIT)
        config = llm_config(provider, server, vision="on", **settings)
        assert LLMProposer(connected(config), config, lambda call: None).ask(clinic) == GOOD
        return [json.dumps(request.body) for request in server.requests]

    return asking


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_request_has_a_private_name_in_it(provider: str, bodies: Callable[..., list[str]]) -> None:
    first, second = bodies(provider)
    for body in (first, second):
        assert not [word for word in SECRETS if word in body.lower()]
    assert "class 2: 4 (25.0%)" in first
    assert "class 2 is darker." in first
    assert "Mind class 2." in first
    assert "only class 2: measured on" in second
    assert "class 1 taken for class 2" in second


def test_people_read_the_names_in_what_the_model_wrote(server: LoopbackServer, clinic: History) -> None:
    said = {
        **GOOD.model_dump(),
        "hypothesis": "class 2 is darker than class 1.",
        "notes": "class 12, class 2",
    }
    server.play(Answer(tool_calls=(ToolCall("submit_proposal", said),)))
    config = llm_config("openai", server, names="off")
    answer = LLMProposer(connected(config), config, lambda call: None).ask(clinic)
    assert isinstance(answer, Proposal)
    assert answer.hypothesis == "Jones_Bob is darker than Smith_Anna."
    assert answer.notes == "class 12, Jones_Bob"


@pytest.mark.parametrize("settings", [{"far": False}, {"names": "on"}])
def test_names_are_told_where_they_may(settings: dict, bodies: Callable[..., list[str]]) -> None:
    server_knows = bodies("openai", **settings)[0]
    assert "Jones_Bob: 4 (25.0%)" in server_knows
    assert "/clinic/" not in server_knows
