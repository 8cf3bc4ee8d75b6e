"""The schemas as they are sent, checked against the rules that each provider documents.

OpenAI: "Structured outputs", supported schemas. Gemini: "Structured output" (responseJsonSchema) and the Schema of
function declarations.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from agent.llm import connect
from agent.memory.history import Backgrounds
from agent.proposers.llm import LLMProposer
from agent.proposers.schema import proposal_schema
from tests.agent.proposers.arms import Instruments, history, made_cache
from tests.loopback.clients import PROVIDERS, llm_config
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer
from tools.policy.catalogue import CATALOGUE

FIELDS = ["hypothesis", "expected_gain", "policy", "backgrounds", "notes"]
OPENAI_KEYWORDS = {"type", "properties", "required", "additionalProperties", "items", "enum", "description"}
GEMINI_JSON_KEYWORDS = OPENAI_KEYWORDS | {
    "title",
    "format",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "propertyOrdering",
}
GEMINI_SCHEMA_KEYWORDS = {
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "properties",
    "required",
    "propertyOrdering",
}


@cache
def data() -> Path:
    """Folder of a small decoded data set."""
    return made_cache(Path(mkdtemp(prefix="augur-test-"))).folder


@cache
def sent(
    provider: str,
    mode: str,
    whole_policies: bool = True,
    backgrounds: Backgrounds = "optional",
    candidates: int = 1,
) -> dict[str, Any]:
    """The body of the first request of a proposal, with every tool that there is."""
    with LoopbackServer([Answer("{}")]) as server:
        config = llm_config(provider, server, mode=mode)
        told = replace(
            history(data()),
            whole_policies=whole_policies,
            backgrounds=backgrounds,
            instruments=Instruments(data()),
            candidates=candidates,
        )
        LLMProposer(connect(config), config, lambda record: None).ask(told)
        return server.requests[0].body


def nodes(schema: dict[str, Any], depth: int = 1) -> Iterator[tuple[dict[str, Any], int]]:
    yield schema, depth
    for value in schema.get("properties", {}).values():
        yield from nodes(value, depth + 1)
    if "items" in schema:
        yield from nodes(schema["items"], depth + 1)


def openai_schemas() -> list[dict[str, Any]]:
    """Of one proposal in an answer, and of three."""
    schemas = []
    for candidates in (1, 3):
        tools = [tool["function"] for tool in sent("openai", "tools", candidates=candidates)["tools"]]
        answer = sent("openai", "structured", candidates=candidates)["response_format"]["json_schema"]
        assert all(item["strict"] is True for item in [*tools, answer])
        schemas += [*(tool["parameters"] for tool in tools), answer["schema"]]
    return schemas


class TestOpenAIStrict:
    def test_only_supported_keywords_are_used(self) -> None:
        used = {key for schema in openai_schemas() for node, _ in nodes(schema) for key in node}
        assert used <= OPENAI_KEYWORDS

    def test_every_object_is_closed_and_requires_all_its_properties(self) -> None:
        for schema in openai_schemas():
            assert schema["type"] == "object"
            for node in (node for node, _ in nodes(schema) if node["type"] == "object"):
                assert node["additionalProperties"] is False
                assert set(node["required"]) == set(node["properties"])

    def test_the_limits_of_size_are_kept(self) -> None:
        for schema in openai_schemas():
            found = list(nodes(schema))
            assert max(depth for _, depth in found) <= 10
            assert sum(len(node.get("properties", {})) for node, _ in found) <= 5000
            enums = [node["enum"] for node, _ in found if "enum" in node]
            assert sum(len(values) for values in enums) <= 1000
            assert sum(len(value) for values in enums for value in values) <= 15_000


class TestGemini:
    def declarations(self) -> dict[str, dict[str, Any]]:
        (tool,) = sent("google_genai", "tools")["tools"]
        return {item["name"]: item.get("parameters", {}) for item in tool["functionDeclarations"]}

    def test_function_declarations_use_only_its_keywords_and_are_complete(self) -> None:
        schemas = [schema for schema in self.declarations().values() if schema]
        assert len(schemas) == 5
        for node in (node for schema in schemas for node, _ in nodes(schema)):
            assert set(node) <= GEMINI_SCHEMA_KEYWORDS
            assert node["type"] != "OBJECT" or node["properties"]
            assert node["type"] != "ARRAY" or node["items"]

    def test_no_declaration_lost_a_property(self) -> None:
        declared = self.declarations()
        assert list(declared) == [
            "describe_dataset",
            "preview_policy",
            "preview_backgrounds",
            "show_errors",
            "read_results",
            "submit_proposal",
        ]
        submit = declared["submit_proposal"]
        assert submit["required"] == list(submit["properties"]) == FIELDS
        prompts = declared["preview_backgrounds"]["properties"]["backgrounds"]
        assert prompts == submit["properties"]["backgrounds"]["items"]
        operation = submit["properties"]["policy"]["items"]
        assert set(operation["required"]) == {"name", "probability", "parameters"}
        assert operation["properties"]["name"]["enum"] == list(CATALOGUE)

    def test_the_schema_of_an_answer_has_only_its_keywords_and_the_reason_before_the_policy(self) -> None:
        schema = sent("google_genai", "structured")["generationConfig"]["responseJsonSchema"]
        assert {key for node, _ in nodes(schema) for key in node} <= GEMINI_JSON_KEYWORDS
        assert schema["propertyOrdering"] == list(schema["properties"]) == FIELDS

    def test_without_backgrounds_neither_their_field_nor_their_tool_is_sent(self) -> None:
        for provider, mode in (
            (provider, mode) for provider in PROVIDERS for mode in ("tools", "structured")
        ):
            body = json.dumps(sent(provider, mode, backgrounds="off"))
            assert "preview_backgrounds" not in body
            assert "max_rotation" not in body

    def test_the_client_drops_nothing_from_the_schemas(self, caplog: pytest.LogCaptureFixture) -> None:
        for mode in ("tools", "structured"):
            sent.__wrapped__("google_genai", mode)
        assert caplog.text == ""


class TestWholePolicies:
    """Left out of what a model sees and may answer, by every way of asking."""

    @pytest.mark.parametrize("provider", ["openai", "google_genai"])
    @pytest.mark.parametrize("mode", ["tools", "structured"])
    def test_nothing_that_is_sent_names_one(self, provider: str, mode: str) -> None:
        whole = [name for name, spec in CATALOGUE.items() if spec.whole_policy]
        allowed, without = (json.dumps(sent(provider, mode, which)) for which in (True, False))
        for name in whole:
            assert name in allowed
            assert name not in without
        for parameter in ("num_ops", "mixture_width"):
            assert parameter in allowed
            assert parameter not in without
        assert "rotate" in without


def test_a_length_is_asked_for_only_where_the_budget_counts_training_images():
    fixed = proposal_schema(history())
    assert "length" not in fixed["properties"]
    counted = proposal_schema(replace(history(), longer=True))
    assert "length" in counted["properties"]
    assert "length" in counted["required"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_several_proposals_are_a_list_of_what_one_is_with_one_notebook(provider: str) -> None:
    one, three = (proposal_schema(replace(history(data()), candidates=count)) for count in (1, 3))
    assert list(three["properties"]) == ["proposals", "notes"]
    assert "exactly 3" in three["properties"]["proposals"]["description"]
    without_notes = {name: value for name, value in one["properties"].items() if name != "notes"}
    assert three["properties"]["proposals"]["items"]["properties"] == without_notes
    assert "proposals" in json.dumps(sent(provider, "tools", candidates=3))
