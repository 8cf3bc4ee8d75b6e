"""Where a model's answer is found, which of several counts, and how long a search may take."""

import json
import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall

from agent.llm.thoughts import without_thoughts
from agent.memory.proposal import Proposal, Proposals, parse_proposal, parse_proposals
from agent.proposers import LONGEST_ANSWER, Malformed
from agent.proposers.answers import read_arguments, read_submission, read_text, tool_name
from tests.agent.proposers.arms import operation, proposal

GOOD = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
FIELDS = GOOD.model_dump(exclude={"backgrounds"})
TEXT = json.dumps(FIELDS)
DRAFT = json.dumps({**FIELDS, "hypothesis": "A draft that was dropped."})
CALL = {"name": "submit_proposal", "arguments": FIELDS}
MILLIONS = 5_000_000


def read(text: str) -> Proposal | Malformed:
    found = read_text(AIMessage(text))
    assert not isinstance(found, Proposals)
    return found


def refused(text: str) -> Malformed:
    found = read(text)
    assert isinstance(found, Malformed), found
    return found


def calling(*calls: tuple[str, Any]) -> AIMessage:
    valid = [
        ToolCall(name=name, args=args, id=str(n))
        for n, (name, args) in enumerate(calls)
        if isinstance(args, dict)
    ]
    broken = [
        InvalidToolCall(name=name, args=args, id=str(n), error="", type="invalid_tool_call")
        for n, (name, args) in enumerate(calls)
        if isinstance(args, str)
    ]
    return AIMessage("", tool_calls=valid, invalid_tool_calls=broken)


@pytest.mark.parametrize(
    "text",
    [
        f"<think>First: {DRAFT} But no.</think>\n{TEXT}",
        f"<thinking>{DRAFT}</thinking>{TEXT}",
        f'<reasoning effort="high">{DRAFT}</reasoning>{TEXT}',
        f"<think>again <think> {DRAFT}</think>{DRAFT}</think>{TEXT}",
        f"<think>they wrote <think> once more {DRAFT}</think>{TEXT}",
        f"{DRAFT} is wrong.</think>{TEXT}",
        f"[THINK]{DRAFT}[/THINK]{TEXT}",
        f"◁think▷{DRAFT}◁/think▷{TEXT}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{TEXT}",
        f"{TEXT}\n<think>{DRAFT}",
    ],
    ids=[
        "think",
        "thinking",
        "attribute",
        "nested",
        "mentioned",
        "only closed",
        "[THINK]",
        "◁",
        "channels",
        "after",
    ],
)
def test_what_was_thought_is_not_the_answer(text: str) -> None:
    assert read(text) == GOOD


def test_thoughts_that_never_end_hold_no_answer() -> None:
    found = refused(f"<think>Perhaps {DRAFT}, or perhaps")
    assert "nothing but thoughts" in found.reason


def test_a_tag_within_the_words_of_the_answer_is_a_word() -> None:
    text = json.dumps({**FIELDS, "hypothesis": "Models <think> that grey is dull."})
    found = read(text)
    assert isinstance(found, Proposal)
    assert found.hypothesis == "Models <think> that grey is dull."


def test_of_several_complete_proposals_the_last_one_counts() -> None:
    assert read(f"First idea:\n```json\n{DRAFT}\n```\nBetter:\n```json\n{TEXT}\n```") == GOOD
    assert (
        read_submission(calling(("submit_proposal", json.loads(DRAFT)), ("submit_proposal", FIELDS))) == GOOD
    )


def test_an_unfinished_object_after_a_proposal_does_not_hide_it() -> None:
    assert read(f'{TEXT}\nTo check: {{"policy": [') == GOOD


@pytest.mark.parametrize(
    "text",
    [
        f"<tool_call>\n{json.dumps(CALL)}\n</tool_call>",
        f"[TOOL_CALLS][{json.dumps(CALL)}]",
        f"<function=submit_proposal>{TEXT}</function>",
        f"submit_proposal({TEXT})",
        json.dumps({"name": "submit_proposal", "parameters": FIELDS}),
        json.dumps({"name": "functions.submit_proposal", "arguments": TEXT}),
        json.dumps(json.dumps({"name": "submit_proposal", "arguments": TEXT})),
        json.dumps({"tool_calls": [{"type": "function", "function": CALL}]}),
        json.dumps({"proposal": FIELDS}),
        json.dumps([FIELDS]),
        f"```\n{TEXT}\n```",
        str(FIELDS),
        f"```python\n{FIELDS}\n```",
    ],
    ids=lambda text: text[:24],
)
def test_a_proposal_is_read_from_what_servers_wrap_around_it(text: str) -> None:
    assert read(text) == GOOD


@pytest.mark.parametrize(
    "arguments",
    [
        FIELDS,
        {"arguments": FIELDS},
        {"proposal": TEXT},
        {"arguments": json.dumps(TEXT)},
        {"input": [FIELDS]},
        TEXT + "}",
    ],
    ids=["object", "wrapped", "string", "encoded twice", "list", "a brace too many"],
)
def test_the_arguments_of_a_call_may_be_wrapped_as_well(arguments: Any) -> None:
    for name in (
        "submit_proposal",
        "functions.submit_proposal",
        "functions:submit_proposal:0",
        "submit_proposal_1",
    ):
        assert read_submission(calling((name, arguments))) == GOOD, name


def test_names_of_tools_are_understood_with_what_servers_add() -> None:
    assert tool_name("functions.preview_policy:3") == "preview_policy"
    assert tool_name("default_api.read_results") == "read_results"
    assert tool_name("submit_proposal<|channel|>commentary") == "submit_proposal"
    assert tool_name("resubmit_proposal") == "resubmit_proposal"
    assert tool_name(None) == ""


def test_another_call_is_no_submission() -> None:
    assert read_submission(calling(("describe_dataset", {}))) is None


def test_python_is_never_run() -> None:
    assert (
        "not valid JSON"
        in refused("{'hypothesis': __import__('os').getcwd(), 'expected_gain': 1, 'policy': []}").reason
    )


def test_a_missing_field_is_named_wherever_the_object_stands() -> None:
    partial = json.dumps({"hypothesis": "x", "policy": []})
    for text in (partial, f"Well, {{this}} is it: {partial}", f"{partial} {{}}"):
        assert "expected_gain: " in refused(text).reason


def test_pieces_of_a_broken_object_are_not_taken_for_it() -> None:
    found = refused(TEXT[:-20])
    assert "not valid JSON" in found.reason
    assert found.form == "JSON"


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "[",
        '"',
        "\\",
        '"\\',
        '{"',
        '{"a":',
        '{"a":"',
        '{"a":[',
        "[[{",
        "{}",
        "{ ",
        "\n{",
        "<think>",
        "</think>",
        "<think ",
    ],
)
def test_the_search_takes_a_time_that_is_linear_in_the_answer(unit: str) -> None:
    """Quadratic, each of these takes minutes; linear, well under a second."""
    started = time.process_time()
    assert refused(unit * (MILLIONS // len(unit))).reason
    found = read(unit * (MILLIONS // len(unit)) + TEXT)
    assert found == GOOD or "thoughts" in getattr(found, "reason", "")
    assert time.process_time() - started < 8


def test_what_is_kept_of_an_answer_is_bounded_and_said_to_be_cut() -> None:
    found = refused("no " * MILLIONS)
    assert len(found.answer) < LONGEST_ANSWER + 100
    assert "cut: 15,000,000 characters" in found.answer or "cut: 14,999,999 characters" in found.answer
    endless = refused(json.dumps({**FIELDS, "x" * 100_000: 1}))
    assert len(endless.reason) < 2_200


def test_characters_that_cannot_be_stored_are_replaced_before_anything_is_kept() -> None:
    """Half of an emoji ended a study in MLflow, and then every attempt to resume it."""
    for bad in (r"\ud83d", r"\u0000", r"\u001b[31m", r"\u202e", r"\udfff\ud800"):
        found = read(TEXT.replace("Lighting", f"{bad} light"))
        assert isinstance(found, Proposal), bad
        json.dumps(found.model_dump(), ensure_ascii=False).encode()
        assert found.hypothesis.isprintable()
        assert parse_proposal(json.dumps(found.model_dump())) == found
    pair = read(TEXT.replace("Lighting", r"\ud83d\ude00 light"))
    assert isinstance(pair, Proposal)
    assert pair.hypothesis == "😀 light varies."
    refused_text = refused("half \ud83d and \x00 nothing")
    (refused_text.answer + refused_text.reason).encode()


def test_a_proposal_that_cannot_be_stored_is_refused_with_its_reason() -> None:
    for number in ("1e999", "-Infinity", "NaN"):
        found = refused(TEXT.replace("20.0", number))
        assert "policy.0.parameters.0.value is" in found.reason
        assert "finite" in found.reason
    assert " has 60,2" in refused(TEXT.replace("Lighting", "x" * 60_000)).reason
    assert "not valid JSON" in refused(TEXT.replace("20.0", "9" * 5_000)).reason
    deep: Any = {}
    for _ in range(3_000):
        deep = {"a": deep}
    assert isinstance(read_arguments({**FIELDS, "policy": deep}), Malformed)


def test_text_without_thoughts_is_left_as_it_is() -> None:
    assert without_thoughts("I think <b>this</b> [is] it") == "I think <b>this</b> [is] it"


OTHER = proposal(operation("brightness", strength=0.2), operation("vertical_flip"))
SEVERAL = {"proposals": [FIELDS, OTHER.model_dump(exclude={"backgrounds", "notes"})], "notes": "Two ideas."}


class TestSeveralProposalsInOneAnswer:
    @pytest.mark.parametrize(
        "text",
        [
            json.dumps(SEVERAL),
            f"Here they are:\n```json\n{json.dumps(SEVERAL, indent=2)}\n```",
            json.dumps({"name": "submit_proposal", "arguments": SEVERAL}),
            json.dumps({"arguments": json.dumps(SEVERAL)}),
            json.dumps(SEVERAL["proposals"]),
            f"<think>{json.dumps({'proposals': []})}</think>{json.dumps(SEVERAL)}",
        ],
    )
    def test_they_are_found_wherever_a_model_puts_them(self, text: str) -> None:
        found = read_text(AIMessage(text), 2)
        assert isinstance(found, Proposals), found
        assert [each.policy for each in found.proposals] == [GOOD.policy, OTHER.policy]

    def test_they_are_found_in_a_call(self) -> None:
        found = read_submission(calling(("submit_proposal", SEVERAL)), 2)
        assert isinstance(found, Proposals)
        assert found.notes == "Two ideas."
        assert [each.policy for each in parse_proposals(json.dumps(found.model_dump()))] == [
            GOOD.policy,
            OTHER.policy,
        ]

    @pytest.mark.parametrize("text", [TEXT, json.dumps({"proposals": [FIELDS]}), f"My answer: {TEXT}."])
    def test_too_few_are_refused_with_the_number_that_is_wanted(self, text: str) -> None:
        found = read_text(AIMessage(text), 2)
        assert isinstance(found, Malformed)
        assert found.reason == "proposals: 1 of them; give exactly 2, all different"

    def test_what_is_wrong_with_one_says_which(self) -> None:
        broken = {"proposals": [FIELDS, {**FIELDS, "expected_gain": "much"}]}
        found = read_text(AIMessage(json.dumps(broken)), 2)
        assert isinstance(found, Malformed)
        assert "proposals.1.expected_gain" in found.reason
