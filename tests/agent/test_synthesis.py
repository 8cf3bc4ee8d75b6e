"""Synthetic images in a study: when they are asked for, who writes captions, and what is let go afterwards."""

from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.config import LLMConfig, SearchConfig, StudyConfig
from agent.synthesis import _held, backgrounds_of, caption_model
from tools.aga.config import AgaConfig
from tools.datasets.types import Card


def card(modality: Any) -> Card:
    return Card(name="x", title="x", modality=modality, description="", classes=("a", "b"))


@pytest.mark.parametrize(
    ("modality", "mode"),
    [("natural", "optional"), ("digits", "optional"), ("fundus", "off"), ("unknown", "off")],
)
def test_auto_asks_for_backgrounds_where_there_is_a_subject_before_one(modality, mode):
    found, why = backgrounds_of(StudyConfig(), card(modality))
    assert found == mode
    assert "auto" in why
    assert modality in why


def test_what_is_set_is_taken(tmp_path):
    config = StudyConfig(search=SearchConfig(backgrounds="always"))
    assert backgrounds_of(config, card("fundus")) == ("always", "always")


def test_captions_are_written_by_their_own_model_on_its_own_server_where_one_is_named():
    llm = LLMConfig(model="openai:gpt-5", base_url="http://gateway/v1")
    plain = StudyConfig(llm=llm)
    assert caption_model(plain) == llm
    local = StudyConfig(llm=llm, aga=AgaConfig(llm="openai:llama", llm_base_url="http://localhost:8000/v1"))
    assert (caption_model(local).model, caption_model(local).base_url) == (
        "openai:llama",
        "http://localhost:8000/v1",
    )
    hosted = StudyConfig(llm=llm, aga=AgaConfig(llm="google_genai:gemini-flash-latest"))
    assert caption_model(hosted).base_url is None


def test_processes_of_a_maker_are_closed_after_use():
    closed = []
    maker = SimpleNamespace(close=lambda: closed.append("maker"))
    others = {name: SimpleNamespace() for name in ("detector", "segmenter", "captioner")}
    tools = cast(Any, SimpleNamespace(**others, maker=maker))
    with ExitStack() as stack:
        assert _held(tools, stack) is tools
        assert closed == []
    assert closed == ["maker"]
