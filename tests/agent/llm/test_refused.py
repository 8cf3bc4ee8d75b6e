"""Parameters that a server refuses: asked again without them, or under the name that it gives, and remembered."""

import json
import logging
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from agent.llm import CallRecord, Meter, TransportError
from agent.llm.refused import forget
from agent.proposers.schema import SUBMIT, tool_definitions
from tests.agent.proposers.arms import history
from tests.loopback.bodies import google_error, openai_error
from tests.loopback.clients import connected, llm_config
from tests.loopback.replies import Answer, Raw, Reply
from tests.loopback.server import LoopbackServer

CONVERSATION = [SystemMessage("be brief"), HumanMessage("hello")]


class Gateway:
    """A server in front of an unknown model, asked twice: what it was sent each time."""

    def __init__(self, server: LoopbackServer, provider: str, *refusals: Raw, **settings: Any) -> None:
        self.records: list[CallRecord] = []
        config = llm_config(provider, server, **{"retries": 2, "temperature": 0.5, **settings})
        tools = tool_definitions([SUBMIT], provider, history())
        chat = connected(config).bind_tools(tools, tool_choice="any")
        meter = Meter(config, self.records.append, first_wait=0.01)
        replies: list[Reply] = [*refusals, Answer("first"), Answer("second")]
        server.play(*replies)
        self.answers = [meter.call(chat, CONVERSATION, "test").text for _ in range(2)]
        self.bodies = [request.body for request in server.requests]
        assert len(self.bodies) == len(self.records) == len(refusals) + 2


def unsupported(
    name: str, message: str = "Unsupported parameter", code: str | None = "unsupported_parameter"
) -> Raw:
    return openai_error(400, message, param=name, code=code)


def test_the_limit_of_tokens_is_sent_under_the_name_that_the_server_gives(
    server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    for refusal in (unsupported("max_tokens", words), openai_error(400, words), unsupported("max_tokens")):
        forget()
        asked = Gateway(server, "openai", refusal, max_tokens=77)
        assert asked.bodies[0]["max_tokens"] == 77
        for body in asked.bodies[1:]:
            assert body["max_completion_tokens"] == 77
            assert "max_tokens" not in body
        assert asked.answers == ["first", "second"]
        assert "max_tokens: it is now sent as max_completion_tokens" in caplog.text


@pytest.mark.parametrize(
    ("refusal", "name"),
    [
        (unsupported("temperature", "Only the default (1) value is supported", "unsupported_value"), "temperature"),
        (openai_error(400, "temperature is not supported with this model"), "temperature"),
        (openai_error(400, "Unrecognized request argument supplied: tool_choice"), "tool_choice"),
        (Raw('{"detail": [{"loc": ["body", "tool_choice"], "type": "extra_forbidden", "msg": "no"}]}', status=422),
         "tool_choice"),
        (unsupported("tools[0].function.strict", "Unknown parameter", "unknown_parameter"), "strict"),
    ],
    ids=["by param", "in words", "unrecognised", "FastAPI", "nested"],
)  # fmt: skip
def test_another_parameter_is_no_longer_sent(server: LoopbackServer, refusal: Raw, name: str) -> None:
    asked = Gateway(server, "openai", refusal)
    assert f'"{name}"' in json.dumps(asked.bodies[0])
    for body in asked.bodies[1:]:
        assert f'"{name}"' not in json.dumps(body)
        assert body["tools"]


def test_several_refusals_are_learnt_one_after_the_other(server: LoopbackServer) -> None:
    asked = Gateway(
        server, "openai", unsupported("temperature"), unsupported("max_tokens"), unsupported("tool_choice")
    )
    assert {"temperature", "max_tokens", "tool_choice"} <= asked.bodies[0].keys()
    assert not {"temperature", "max_tokens", "tool_choice"} & asked.bodies[-1].keys()


@pytest.mark.parametrize(
    ("provider", "refusal"),
    [
        (
            "openai",
            unsupported(
                "messages[0].role", "'messages[0].role' does not support 'system'", "unsupported_value"
            ),
        ),
        ("openai", openai_error(400, "System role not supported")),
        (
            "google_genai",
            google_error(400, "INVALID_ARGUMENT", "Developer instruction is not enabled for models/gemma"),
        ),
    ],
)
def test_a_model_without_a_system_role_reads_the_same_words_in_the_first_message(
    server: LoopbackServer, provider: str, refusal: Raw
) -> None:
    asked = Gateway(server, provider, refusal)
    assert "system" in json.dumps(asked.bodies[0]).lower()
    for body in asked.bodies[1:]:
        messages = body.get("messages") or body["contents"]
        assert len(messages) == 1
        assert "systemInstruction" not in body
        text = json.dumps(messages)
        assert text.index("be brief") < text.index("hello")


def test_a_parameter_of_gemini_is_left_out_of_its_settings(server: LoopbackServer) -> None:
    unknown = "Invalid JSON payload received. Unknown name \"temperature\" at 'generation_config': Cannot find field."
    asked = Gateway(server, "google_genai", google_error(400, "INVALID_ARGUMENT", unknown))
    assert "temperature" in asked.bodies[0]["generationConfig"]
    assert "temperature" not in asked.bodies[1]["generationConfig"]


def test_what_was_never_sent_or_cannot_be_left_out_ends_the_call(server: LoopbackServer) -> None:
    config = llm_config("openai", server)
    for refusal in (
        unsupported("seed"),
        unsupported("messages"),
        unsupported("model"),
        openai_error(400, "no"),
    ):
        server.play(refusal, Answer("never asked"))
        with pytest.raises(TransportError):
            Meter(config, lambda record: None).call(connected(config), CONVERSATION, "test")
        assert len(server.requests) == 1


def test_a_value_that_is_too_large_is_not_a_parameter_to_drop(server: LoopbackServer) -> None:
    """Without its limit the call could cost more than was allowed."""
    config = llm_config("openai", server)
    server.play(openai_error(400, "max_tokens is too large: 8192", param="max_tokens"), Answer("never asked"))
    with pytest.raises(TransportError, match=r"llm\.max_tokens"):
        Meter(config, lambda record: None).call(connected(config), CONVERSATION, "test")


def test_a_server_that_refuses_both_names_of_the_limit_is_asked_without_it(server: LoopbackServer) -> None:
    asked = Gateway(server, "openai", unsupported("max_tokens"), unsupported("max_completion_tokens"))
    assert not {"max_tokens", "max_completion_tokens"} & asked.bodies[-1].keys()
