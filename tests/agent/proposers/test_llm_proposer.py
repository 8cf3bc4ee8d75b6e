"""The language model's arm: its conversation, bounded and honest, at the real clients over real HTTP."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.llm import CallRecord, TransportError, connect
from agent.memory.history import History, Rejection
from agent.memory.proposal import Proposal
from agent.proposers import Malformed
from agent.proposers.llm import LLMProposer
from tests.agent.proposers.arms import history, made_cache, operation, proposal, record
from tests.loopback.clients import PROVIDERS, llm_config
from tests.loopback.replies import Answer, Failure, Reply, ToolCall
from tests.loopback.server import LoopbackServer, Received

GOOD = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
GOOD_JSON = GOOD.model_dump_json()
SUBMIT = Answer(tool_calls=(ToolCall("submit_proposal", GOOD.model_dump()),))
LOOK = Answer(tool_calls=(ToolCall("describe_dataset", {}),))
MODES = ("tools", "structured")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_cache(tmp_path_factory.mktemp("cache")).folder


class Ask:
    """One proposal asked of a scripted model."""

    def __init__(
        self, provider: str, replies: Sequence[Reply], told: History | None = None, **settings: Any
    ) -> None:
        self.records: list[CallRecord] = []
        self.error: TransportError | None = None
        self.answer: Proposal | Malformed | None = None
        with LoopbackServer(replies) as server:
            config = llm_config(provider, server, **settings)
            proposer = LLMProposer(connect(config), config, self.records.append)
            try:
                self.answer = proposer.ask(told or history())
            except TransportError as error:
                self.error = error
            self.requests: list[Received] = server.requests

    @property
    def reason(self) -> str:
        assert isinstance(self.answer, Malformed), self.answer
        return self.answer.reason


def written(mode: str, text: str) -> Answer:
    """`text` as the model's answer: bare, or as the arguments of the tool."""
    return Answer(tool_calls=(ToolCall("submit_proposal", text),)) if mode == "tools" else Answer(text)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("mode", MODES)
class TestFaultsOfContent:
    def test_a_proposal_is_read(self, provider: str, mode: str) -> None:
        assert Ask(provider, [SUBMIT if mode == "tools" else Answer(GOOD_JSON)], mode=mode).answer == GOOD

    def test_an_empty_answer(self, provider: str, mode: str) -> None:
        assert "empty" in Ask(provider, [Answer("")], mode=mode).reason

    def test_a_refusal(self, provider: str, mode: str) -> None:
        ask = Ask(provider, [Answer(refusal="I cannot help with that.")], mode=mode)
        assert "cannot help" in ask.answer.answer  # type: ignore[union-attr]
        assert ask.reason

    def test_an_answer_that_a_filter_withheld(self, provider: str, mode: str) -> None:
        assert "filter" in Ask(provider, [Answer("", finish="safety")], mode=mode).reason

    def test_an_answer_that_was_cut_off_names_the_limit(self, provider: str, mode: str) -> None:
        ask = Ask(provider, [Answer(GOOD_JSON[:60], finish="length")], mode=mode)
        assert "llm.max_tokens" in ask.reason
        assert len(ask.records) == 1

    def test_text_that_is_no_proposal(self, provider: str, mode: str) -> None:
        ask = Ask(provider, [Answer("I would rotate the images.")], mode=mode)
        assert ("without a tool call" if mode == "tools" else "not valid JSON") in ask.reason
        assert ask.answer.answer == "I would rotate the images."  # type: ignore[union-attr]

    def test_a_field_that_is_missing_is_named(self, provider: str, mode: str) -> None:
        short = {key: value for key, value in GOOD.model_dump().items() if key != "hypothesis"}
        made = (
            Answer(tool_calls=(ToolCall("submit_proposal", short),))
            if mode == "tools"
            else Answer(json.dumps(short))
        )
        assert "hypothesis: Field required" in Ask(provider, [made], mode=mode).reason

    def test_rejections_are_put_to_the_model(self, provider: str, mode: str) -> None:
        told = replace(
            history(), rejections=(Rejection("my last answer", ("rotate: degrees=999 is out of range",)),)
        )
        ask = Ask(provider, [SUBMIT if mode == "tools" else Answer(GOOD_JSON)], told, mode=mode)
        conversation = ask.requests[0].ask.conversation
        assert "my last answer" in conversation
        assert "degrees=999 is out of range" in conversation

    def test_a_fault_of_the_transport_ends_the_study(self, provider: str, mode: str) -> None:
        error = Ask(provider, [Failure(503)], mode=mode).error
        assert isinstance(error, TransportError)
        assert error.resumable


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "cut", [GOOD_JSON[:-20], GOOD_JSON.replace(":", " ", 1)], ids=["truncated", "invalid"]
)
def test_json_that_does_not_parse_is_never_completed(mode: str, cut: str) -> None:
    assert "not valid JSON" in Ask("openai", [written(mode, cut)], mode=mode).reason


@pytest.mark.parametrize("gain", ["NaN", "Infinity"])
def test_an_expected_gain_that_is_no_number_is_refused(gain: str) -> None:
    text = GOOD_JSON.replace('"expected_gain":0.5', f'"expected_gain":{gain}')
    assert "finite" in Ask("openai", [Answer(text)], mode="structured").reason


class TestModelsWithoutSchemas:
    def test_a_fenced_block_is_read_as_many_local_models_write_it(self) -> None:
        fenced = Answer(f"Here is my proposal:\n```json\n{GOOD_JSON}\n```\nI hope it helps.")
        assert Ask("openai", [fenced], mode="structured").answer == GOOD

    def test_thoughts_with_braces_before_the_answer_do_no_harm(self) -> None:
        thoughts = Answer(f"<think>A {{policy}} of two operations…</think>{GOOD_JSON}")
        assert Ask("openai", [thoughts], mode="structured").answer == GOOD

    def test_a_server_without_schemas_is_asked_in_words(self, caplog: pytest.LogCaptureFixture) -> None:
        refused = Failure(400, "response_format of type json_schema is not supported")
        ask = Ask("openai", [refused, Answer(GOOD_JSON)], mode="structured")
        assert ask.answer == GOOD
        assert "response_format" not in ask.requests[1].body
        assert "using 'text'" in caplog.text

    def test_a_server_without_tools_is_asked_for_one_answer_where_the_mode_is_auto(self) -> None:
        ask = Ask(
            "openai", [Failure(400, "this model does not support tools"), Answer(GOOD_JSON)], mode="auto"
        )
        assert ask.answer == GOOD
        assert "tools" not in ask.requests[1].body

    def test_tools_that_were_asked_for_are_not_given_up(self) -> None:
        ask = Ask(
            "openai", [Failure(400, "this model does not support tools"), Answer(GOOD_JSON)], mode="tools"
        )
        assert ask.error is not None
        assert len(ask.requests) == 1

    def test_another_refused_request_ends_at_once(self) -> None:
        ask = Ask("openai", [Failure(400, "temperature is not supported"), Answer(GOOD_JSON)], mode="auto")
        assert ask.error is not None

    def test_a_proposal_written_out_instead_of_called_counts(self) -> None:
        assert Ask("openai", [Answer(GOOD_JSON)], mode="tools").answer == GOOD


@pytest.mark.parametrize("provider", PROVIDERS)
class TestLookUps:
    def test_results_of_the_tools_reach_the_model(self, provider: str, cache: Path) -> None:
        rotated = {"operations": [operation("rotate", 1.0, degrees=20).model_dump()]}
        past = (record(1, GOOD, 0.78, gain=0.03, within_noise=False),)
        looks = Answer(
            tool_calls=(
                ToolCall("describe_dataset", {}),
                ToolCall("preview_policy", rotated),
                ToolCall("read_results", {}),
            )
        )
        ask = Ask(provider, [looks, SUBMIT], history(cache, past=past), mode="tools", vision=False)
        assert ask.answer == GOOD
        conversation = ask.requests[1].ask.conversation
        assert "mean of red, green, blue" in conversation
        assert "rotate(p=1, degrees=20)" in conversation
        assert "By seed: 0: 0.7700" in conversation
        assert ask.requests[1].ask.tool_results == 3
        assert ask.requests[1].ask.images == 0

    def test_a_model_that_sees_gets_pictures(self, provider: str, cache: Path) -> None:
        ask = Ask(provider, [LOOK, SUBMIT], history(cache), mode="tools", vision=True)
        assert ask.requests[1].ask.images == 1

    def test_a_policy_that_would_be_refused_says_so_instead(self, provider: str, cache: Path) -> None:
        wild = {"operations": [operation("rotate", 1.0, degrees=999).model_dump()]}
        look = Answer(tool_calls=(ToolCall("preview_policy", wild),))
        ask = Ask(provider, [look, SUBMIT], history(cache), mode="tools")
        assert "would be refused" in ask.requests[1].ask.conversation
        assert "is out of range" in ask.requests[1].ask.conversation

    def test_a_tool_that_there_is_not_is_told(self, provider: str) -> None:
        ask = Ask(provider, [Answer(tool_calls=(ToolCall("run_shell", {}),)), SUBMIT], mode="tools")
        assert "There is no tool 'run_shell'" in ask.requests[1].ask.conversation

    def test_after_the_last_look_up_a_proposal_is_demanded(self, provider: str, cache: Path) -> None:
        ask = Ask(provider, [LOOK, LOOK, SUBMIT], history(cache), mode="tools", max_tool_calls=2)
        assert [request.ask.forced_tool for request in ask.requests] == [None, None, "submit_proposal"]
        assert ask.requests[2].ask.tools == ("submit_proposal",)
        assert ask.answer == GOOD

    def test_many_calls_at_once_do_not_get_around_the_limit(self, provider: str, cache: Path) -> None:
        burst = Answer(tool_calls=tuple(ToolCall("describe_dataset", {}) for _ in range(9)))
        ask = Ask(provider, [burst, SUBMIT], history(cache), mode="tools", max_tool_calls=2)
        assert ask.requests[1].ask.conversation.count("mean of red, green, blue") == 2
        assert ask.requests[1].ask.forced_tool == "submit_proposal"

    def test_an_endless_chain_of_calls_ends(self, provider: str, cache: Path) -> None:
        ask = Ask(provider, [LOOK] * 20, history(cache), mode="tools", max_tool_calls=3)
        assert "no tool calls are left" in ask.reason
        assert len(ask.requests) == len(ask.records) == 4

    def test_no_look_ups_at_all_may_be_configured(self, provider: str) -> None:
        ask = Ask(provider, [SUBMIT], mode="tools", max_tool_calls=0)
        assert ask.requests[0].ask.forced_tool == "submit_proposal"
        assert ask.answer == GOOD

    def test_a_proposal_beside_look_ups_counts(self, provider: str) -> None:
        both = Answer(tool_calls=(*LOOK.tool_calls, *SUBMIT.tool_calls))
        ask = Ask(provider, [both], mode="tools")
        assert ask.answer == GOOD
        assert len(ask.requests) == 1


def test_a_look_up_with_arguments_that_are_no_json_is_answered() -> None:
    broken = Answer(tool_calls=(ToolCall("preview_policy", '{"operations": ['),))
    ask = Ask("openai", [broken, SUBMIT], mode="tools")
    assert ask.answer == GOOD
    assert "not valid JSON" in ask.requests[1].ask.conversation


def test_pictures_are_kept_out_of_the_trace(cache: Path) -> None:
    ask = Ask("openai", [LOOK, SUBMIT], history(cache), mode="tools", vision=True)
    trace = json.dumps(ask.records[1].request)
    assert "characters of base64, sha256" in trace
    assert "data:image" not in trace


def test_json_nested_without_end_is_a_fault_of_content() -> None:
    assert "not valid JSON" in Ask("openai", [Answer('{"a":' * 100_000)], mode="structured").reason
