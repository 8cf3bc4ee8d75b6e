"""Whatever text a model answers: a proposal, or the reason why it is none, soon and in words."""

import json
import time

from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from agent.memory.proposal import Proposal
from agent.proposers import Malformed
from agent.proposers.answers import read_text
from tests.fuzz.settings import fuzzed

VALID = {
    "hypothesis": "Lighting varies.",
    "expected_gain": 0.5,
    "policy": [{"name": "horizontal_flip", "probability": 0.5, "parameters": []}],
    "backgrounds": [],
}
PIECES = st.one_of(
    st.just(json.dumps(VALID)),
    st.just(json.dumps({**VALID, "hypothesis": 'It has "quotes", {braces} and a \\ud83d'})),
    st.sampled_from(
        ["{", "}", "[", "]", '"', "\\", ",", ":", "```", "```json\n", "\n", "null", "NaN", "-", "0"]
    ),
    st.sampled_from(["<think>", "</think>", "<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]"]),
    st.sampled_from(
        ['{"name": "submit_proposal", "arguments": ', "functions.submit_proposal(", "Answer:", "'"]
    ),
    st.text(st.characters(exclude_categories=()), max_size=10),
)
_LONGEST = 5.0
"""Seconds."""


@fuzzed(1)
@given(st.lists(PIECES, max_size=8), st.sampled_from([1, 1, 1, 50]))
def test_any_answer(pieces: list[str], times: int) -> None:
    begun = time.monotonic()
    read = read_text(AIMessage("".join(pieces) * times))
    assert time.monotonic() - begun < _LONGEST
    if isinstance(read, Malformed):
        assert read.reason.strip()
        read.reason.encode()
        return
    Proposal.model_validate_json(read.model_dump_json())
