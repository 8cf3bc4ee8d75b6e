"""The language model's arm: its conversation, bounded and honest, with the real clients over real HTTP."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.llm import CallRecord, TransportError
from agent.memory.history import History, Rejection
from agent.memory.proposal import Proposal
from agent.proposers import Malformed
from agent.proposers.llm import LLMProposer
from tests.agent.proposers.arms import history, operation, proposal, record
from tests.loopback.clients import PROVIDERS, connected, llm_config
from tests.loopback.replies import Answer, Failure, Reply, ToolCall
from tests.loopback.server import LoopbackServer, Received

GOOD = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
GOOD_JSON = GOOD.model_dump_json()
SUBMIT = Answer(tool_calls=(ToolCall("submit_proposal", GOOD.model_dump()),))
DESCRIBE = Answer(tool_calls=(ToolCall("describe_dataset", {}),))
WAYS = [(provider, mode) for provider in PROVIDERS for mode in ("tools", "structured")]


class Ask:
    """One proposal asked of a scripted model."""

    def __init__(
        self,
        server: LoopbackServer,
        provider: str,
        *replies: Reply,
        told: History,
        **settings: Any,
    ) -> None:
        self.records: list[CallRecord] = []
        server.play(*replies)
        config = llm_config(provider, server, **settings)
        self.answer = LLMProposer(connected(config), config, self.records.append).ask(told)
        self.requests: list[Received] = server.requests

    @property
    def malformed(self) -> Malformed:
        assert isinstance(self.answer, Malformed), self.answer
        return self.answer


AskFunction = Callable[..., Ask]


@pytest.fixture
def ask(server: LoopbackServer, cache: Path) -> AskFunction:
    def asking(provider: str, *replies: Reply, told: History | None = None, **settings: Any) -> Ask:
        return Ask(server, provider, *replies, told=told or history(cache), **settings)

    return asking


def written(mode: str, fields: Mapping[str, Any] | str) -> Answer:
    """`fields` as the model's answer: JSON text, or the arguments of the tool."""
    if mode == "tools":
        return Answer(tool_calls=(ToolCall("submit_proposal", fields),))
    return Answer(fields if isinstance(fields, str) else json.dumps(fields))


class TestAnswers:
    """By tools and by schema, with both providers."""

    def reasons(self, ask: AskFunction, reply: Answer) -> set[str]:
        return {ask(provider, reply, mode=mode).malformed.reason for provider, mode in WAYS}

    def test_a_proposal_is_read(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            assert ask(provider, written(mode, GOOD.model_dump()), mode=mode).answer == GOOD

    def test_an_unusable_answer_is_malformed_and_says_what_to_do(self, ask: AskFunction) -> None:
        for reply, remedy in (
            (Answer(""), "answer with a proposal"),
            (Answer("", finish="safety"), "in other words"),
            (Answer(GOOD_JSON[:60], finish="length"), "llm.max_tokens"),
        ):
            for reason in self.reasons(ask, reply):
                assert remedy in reason

    def test_a_refusal_keeps_the_models_words(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            found = ask(provider, Answer(refusal="I cannot help with that."), mode=mode).malformed
            assert "cannot help" in found.answer
            assert found.reason

    def test_text_that_is_no_proposal(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            found = ask(provider, Answer("I would rotate the images."), mode=mode).malformed
            assert ("submit_proposal" if mode == "tools" else "JSON object") in found.reason
            assert found.answer == "I would rotate the images."

    def test_a_missing_field_is_named(self, ask: AskFunction) -> None:
        short = {key: value for key, value in GOOD.model_dump().items() if key != "hypothesis"}
        for provider, mode in WAYS:
            assert "hypothesis: " in ask(provider, written(mode, short), mode=mode).malformed.reason

    def test_rejections_are_shown_to_the_model(self, ask: AskFunction, cache: Path) -> None:
        told = replace(history(cache), rejections=(Rejection("my last answer", ("degrees=999",)),))
        for provider, mode in WAYS:
            made = ask(provider, written(mode, GOOD.model_dump()), told=told, mode=mode)
            assert "my last answer" in made.requests[0].ask.conversation
            assert "degrees=999" in made.requests[0].ask.conversation

    def test_a_failed_connection_ends_the_study(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            with pytest.raises(TransportError) as caught:
                ask(provider, Failure(503), mode=mode)
            assert caught.value.resumable

    def test_json_that_does_not_parse_is_never_completed(self, ask: AskFunction) -> None:
        for mode in ("tools", "structured"):
            for cut in (GOOD_JSON[:-20], GOOD_JSON.replace(":", " ", 1)):
                assert "not valid JSON" in ask("openai", written(mode, cut), mode=mode).malformed.reason
        nested = Answer('{"a":' * 100_000)
        assert "not valid JSON" in ask("openai", nested, mode="structured").malformed.reason

    def test_an_expected_gain_that_is_no_number_is_refused(self, ask: AskFunction) -> None:
        for gain in ("NaN", "Infinity"):
            text = GOOD_JSON.replace('"expected_gain":0.5', f'"expected_gain":{gain}')
            assert "expected_gain" in ask("openai", Answer(text), mode="structured").malformed.reason


class TestWhatComesWithTheTask:
    """Measurements in every mode, and a sheet of training images for a model that sees, without asking."""

    def test_measurements_come_in_every_mode(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            made = ask(provider, written(mode, GOOD.model_dump()), mode=mode)
            assert "Made images: measured on 16 of 16 training images" in made.requests[0].ask.conversation
            assert made.requests[0].ask.images == 0

    def test_a_sheet_comes_with_the_first_message_to_a_model_that_sees(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            made = ask(provider, written(mode, GOOD.model_dump()), mode=mode, vision=True)
            assert made.requests[0].ask.images == 1
            assert "Picture 1 of this message: training images" in made.requests[0].ask.conversation
            assert made.answer == GOOD

    def test_a_server_without_tools_and_schemas_gets_them_in_plain_text(self, ask: AskFunction) -> None:
        refused = Failure(400, "response_format of type json_schema is not supported")
        made = ask("openai", refused, Answer(GOOD_JSON), mode="structured", vision=True)
        assert made.answer == GOOD
        assert [request.ask.images for request in made.requests] == [1, 1]
        assert "mean of red, green, blue" in made.requests[1].ask.conversation

    def test_the_notebook_comes_back_with_the_proposal(self, ask: AskFunction) -> None:
        for provider, mode in WAYS:
            fields = {**GOOD.model_dump(), "notes": "Blur is out."}
            answer = ask(provider, written(mode, fields), mode=mode).answer
            assert isinstance(answer, Proposal)
            assert answer.notes == "Blur is out."


class TestModelsWithoutSchemas:
    def test_json_is_found_in_a_fenced_block_and_after_reasoning_with_braces(self, ask: AskFunction) -> None:
        for text in (
            f"Here is my proposal:\n```json\n{GOOD_JSON}\n```\nI hope it helps.",
            f"<think>A {{policy}} of two operations…</think>{GOOD_JSON}",
        ):
            assert ask("openai", Answer(text), mode="structured").answer == GOOD

    def test_a_server_without_schemas_is_asked_for_plain_text(
        self, ask: AskFunction, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        refused = Failure(400, "response_format of type json_schema is not supported")
        made = ask("openai", refused, Answer(GOOD_JSON), mode="structured")
        assert made.answer == GOOD
        assert "response_format" not in made.requests[1].body
        assert "'text'" in caplog.text

    def test_a_server_without_tools_is_asked_for_json_only_if_the_mode_is_auto(
        self, ask: AskFunction, server: LoopbackServer
    ) -> None:
        replies = Failure(400, "this model does not support tools"), Answer(GOOD_JSON)
        made = ask("openai", *replies, mode="auto")
        assert made.answer == GOOD
        assert "tools" not in made.requests[1].body
        with pytest.raises(TransportError):
            ask("openai", *replies, mode="tools")
        assert len(server.requests) == 1

    def test_another_refused_request_ends_at_once(self, ask: AskFunction) -> None:
        for refused in (Failure(400, "this is not allowed"), Failure(401, "your key has no access to tools")):
            with pytest.raises(TransportError):
                ask("openai", refused, Answer(GOOD_JSON), mode="auto")

    def test_a_proposal_written_as_text_instead_of_a_call_counts(self, ask: AskFunction) -> None:
        assert ask("openai", Answer(GOOD_JSON), mode="tools").answer == GOOD


@pytest.mark.parametrize("provider", PROVIDERS)
class TestToolCalls:
    def test_results_of_the_tools_reach_the_model(self, ask: AskFunction, provider: str, cache: Path) -> None:
        rotated = {"operations": [operation("rotate", 1.0, degrees=20).model_dump()]}
        calls = (("describe_dataset", {}), ("preview_policy", rotated), ("read_results", {}))
        told = history(cache, past=(record(1, GOOD, 0.78, gain=0.03, within_noise=False),))
        inspect = Answer(tool_calls=tuple(ToolCall(*call) for call in calls))
        made = ask(provider, inspect, SUBMIT, told=told, mode="tools", vision=False)
        assert made.answer == GOOD
        answered = made.requests[1].ask
        for fact in ("mean of red, green, blue", "rotate(p=1, degrees=20)", "By seed: 0: 0.7700"):
            assert fact in answered.conversation
        assert (answered.tool_results, answered.images) == (3, 0)

    def test_a_model_with_vision_gets_pictures(self, ask: AskFunction, provider: str, cache: Path) -> None:
        made = ask(provider, DESCRIBE, SUBMIT, told=history(cache), mode="tools", vision=True)
        assert [request.ask.images for request in made.requests] == [1, 2]
        trace = json.dumps(made.records[1].request)
        assert "sha256" in trace
        assert "data:image" not in trace

    def test_a_call_that_cannot_be_run_says_why(self, ask: AskFunction, provider: str, cache: Path) -> None:
        calls: list[tuple[str, Any, str]] = [
            ("preview_policy", {"operations": [operation("rotate", degrees=999).model_dump()]}, "degrees"),
            ("preview_policy", {"operations": "rotate"}, "operations: "),
            ("run_shell", {}, "'run_shell'"),
        ]
        if provider == "openai":  # Gemini sends objects, no text
            calls.append(("preview_policy", '{"operations": [', "not valid JSON"))
        for name, arguments, problem in calls:
            call = Answer(tool_calls=(ToolCall(name, arguments),))
            made = ask(provider, call, SUBMIT, told=history(cache), mode="tools")
            assert made.answer == GOOD
            assert problem in made.requests[1].ask.conversation, name

    def test_after_the_last_tool_call_a_proposal_is_demanded(
        self, ask: AskFunction, provider: str, cache: Path
    ) -> None:
        replies = DESCRIBE, DESCRIBE, SUBMIT
        made = ask(provider, *replies, told=history(cache), mode="tools", max_tool_calls=2)
        assert [request.ask.forced_tool for request in made.requests] == [None, None, "submit_proposal"]
        assert made.requests[2].ask.tools == ("submit_proposal",)
        assert made.answer == GOOD

    def test_a_proposal_beside_other_calls_counts(self, ask: AskFunction, provider: str) -> None:
        both = Answer(tool_calls=(*DESCRIBE.tool_calls, *SUBMIT.tool_calls))
        made = ask(provider, both, mode="tools")
        assert made.answer == GOOD
        assert len(made.requests) == 1


class TestAnswersOfTheWrongForm:
    """A server that cannot be brought to one form is asked in another, as where it says that it does not have it."""

    @pytest.fixture(autouse=True)
    def _data(self, cache: Path) -> None:
        self.told = history(cache)

    def asked(self, server: LoopbackServer, provider: str, *replies: Reply, **settings: Any) -> list[str]:
        """One mode a request, as the server saw it: what is offered and what is wanted."""
        server.play(*replies)
        config = llm_config(provider, server, **settings)
        proposer = LLMProposer(connected(config), config, lambda record: None)
        self.answers = [proposer.ask(self.told) for _ in replies]
        return [
            "tools" if request.ask.tools else "structured" if request.ask.wants_json else "text"
            for request in server.requests
        ]

    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_after_two_of_one_kind_the_next_form_is_asked_for(
        self, server: LoopbackServer, provider: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        chat, empty = Answer("I would rotate them."), Answer("")
        modes = self.asked(server, provider, chat, chat, empty, empty, Answer(GOOD_JSON), Answer(GOOD_JSON))
        assert modes == ["tools"] * 2 + ["structured"] * 2 + ["text"] * 2
        assert self.answers[-2:] == [GOOD, GOOD]
        assert "no usable tool call): using mode 'structured'" in caplog.text
        assert "no text): using mode 'text'" in caplog.text

    def test_different_faults_and_good_answers_between_them_change_nothing(
        self, server: LoopbackServer
    ) -> None:
        chat, empty, good = Answer("I would rotate."), Answer(""), SUBMIT
        assert self.asked(server, "openai", chat, empty, good, chat, empty, good) == ["tools"] * 6

    def test_what_another_form_would_not_mend_changes_nothing(self, server: LoopbackServer) -> None:
        cut, endless = (
            Answer("{", finish="length"),
            written("tools", {**GOOD.model_dump(), "expected_gain": 1e999}),
        )
        assert self.asked(server, "openai", cut, cut, endless, endless) == ["tools"] * 4

    def test_a_mode_that_was_asked_for_is_kept(self, server: LoopbackServer) -> None:
        assert self.asked(server, "openai", *[Answer("no")] * 4, mode="tools") == ["tools"] * 4


class TestTheLimitOfToolCalls:
    def test_many_calls_at_once_do_not_get_around_it(self, ask: AskFunction, cache: Path) -> None:
        burst = Answer(tool_calls=DESCRIBE.tool_calls * 9)
        made = ask("openai", burst, SUBMIT, told=history(cache), mode="tools", max_tool_calls=2)
        told = [request.ask.conversation.count("mean of red, green, blue") for request in made.requests]
        assert told == [1, 3]
        assert made.requests[1].ask.forced_tool == "submit_proposal"

    def test_an_endless_chain_of_calls_ends(self, ask: AskFunction, cache: Path) -> None:
        replies = [DESCRIBE] * 20
        made = ask("google_genai", *replies, told=history(cache), mode="tools", max_tool_calls=3)
        assert "submit_proposal" in made.malformed.reason
        assert len(made.requests) == len(made.records) == 4

    def test_it_may_be_zero(self, ask: AskFunction) -> None:
        made = ask("openai", SUBMIT, mode="tools", max_tool_calls=0)
        assert made.requests[0].ask.forced_tool == "submit_proposal"
        assert isinstance(made.answer, Proposal)
