"""The server with which a race with a language model is run again (`benchmarks/recorded_llm.py`)."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from benchmarks.recorded_llm import Recording, conversation_of, server

PROPOSAL = {"hypothesis": "Light varies.", "expected_gain": 0.5, "policy": []}
ASKED = [SystemMessage("You propose."), HumanMessage("Propose the next policy.")]


@tool
def submit_proposal(hypothesis: str, expected_gain: float, policy: list[dict[str, Any]]) -> str:
    """Submit."""
    return ""


@contextmanager
def running(recording: Recording) -> Iterator[Any]:
    """A chat model of LangChain that asks the server."""
    with server(recording, 0) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{served.server_address[1]}/v1"
        yield ChatOpenAI(model="recorded", base_url=address, api_key="none", max_retries=0).bind_tools(  # pyright: ignore
            [submit_proposal]
        )
        served.shutdown()


def answered_later(folder: Path, number: int, answer: Any) -> threading.Thread:
    """Somebody writes the answer when the question is there."""

    def write() -> None:
        while not (folder / f"{number}.txt").exists():
            time.sleep(0.02)
        (folder / f"{number}.json").write_text(json.dumps(answer))

    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_what_was_answered_once_is_answered_again_and_nothing_else(tmp_path: Path):
    file, folder = tmp_path / "race.json", tmp_path / "asked"
    thread = answered_later(folder, 1, PROPOSAL)
    with running(Recording(file, folder)) as model:
        first = model.invoke(ASKED)
    thread.join()
    assert first.tool_calls[0]["name"] == "submit_proposal"
    assert first.tool_calls[0]["args"] == PROPOSAL
    assert "[system]\nYou propose." in (folder / "1.txt").read_text()

    with running(Recording(file)) as model:
        assert model.invoke(ASKED).tool_calls[0]["args"] == PROPOSAL
        with pytest.raises(openai.NotFoundError, match="was not recorded"):
            model.invoke([*ASKED, HumanMessage("And another.")])


def test_other_tools_and_plain_text_are_answers_too(tmp_path: Path):
    file, folder = tmp_path / "race.json", tmp_path / "asked"
    threads = [
        answered_later(folder, 1, {"tool": "show_errors", "arguments": {}}),
        answered_later(folder, 2, "I pass."),
    ]
    with running(Recording(file, folder)) as model:
        assert model.invoke(ASKED).tool_calls[0]["name"] == "show_errors"
        assert model.invoke([HumanMessage("Again.")]).content == "I pass."
    for thread in threads:
        thread.join()


def test_pictures_are_no_part_of_a_conversation_and_calls_are():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    text = {"type": "text", "text": "Look."}
    call = {"function": {"name": "show_errors", "arguments": "{}"}}
    plain = {"messages": [{"role": "user", "content": [text]}]}
    shown = {"messages": [{"role": "user", "content": [picture, text]}]}
    called = {"messages": [*plain["messages"], {"role": "assistant", "content": None, "tool_calls": [call]}]}
    assert conversation_of(plain) == conversation_of(shown) == "[user]\nLook."
    assert conversation_of(called).endswith("[calls show_errors]\n{}")
