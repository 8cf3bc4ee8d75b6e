"""Every fault of the transport, at the real clients over real HTTP: survived, or ended with what to do."""

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.llm import CallRecord, ContentFault, Meter, TransportError, connect
from tests.loopback.clients import FAKE_KEY, PROVIDERS, fake_keys, llm_config
from tests.loopback.replies import Answer, CutOff, Drop, Failure, Hang, Raw, Reply
from tests.loopback.server import LoopbackServer

pytestmark = pytest.mark.parametrize("provider", PROVIDERS)


class Call:
    """One call against scripted replies, with nearly no backoff."""

    def __init__(self, provider: str, *replies: Reply, **settings: Any) -> None:
        self.records: list[CallRecord] = []
        self.answer: AIMessage | None = None
        self.error: TransportError | None = None
        with LoopbackServer(replies) as server:
            config = llm_config(provider, server, **{"retries": 2, **settings})
            meter = Meter(config, self.records.append, first_wait=0.01)
            try:
                self.answer = meter.call(connect(config), [HumanMessage("hello")], "test")
            except TransportError as error:
                self.error = error
            self.requests = server.requests


@pytest.mark.parametrize(
    "fault",
    [Failure(429), Failure(500), Failure(503), Drop(), CutOff(), Raw("<html>busy</html>")],
    ids=["429", "500", "503", "dropped", "cut off", "no JSON"],
)
def test_a_passing_fault_is_survived_and_counted(provider: str, fault: Reply) -> None:
    call = Call(provider, fault, Answer("hi"))
    assert call.answer is not None
    assert call.answer.text == "hi"
    assert [record.error is None for record in call.records] == [False, True]


def test_a_server_that_hangs_is_left_after_the_timeout(provider: str) -> None:
    started = time.monotonic()
    call = Call(provider, Hang(), Answer("hi"), timeout=0.3)
    assert call.answer is not None
    assert 0.3 <= time.monotonic() - started < 5
    assert "timeout" in str(call.records[0].error)


def test_the_number_of_tries_is_bounded(provider: str) -> None:
    call = Call(provider, *[Failure(503)] * 9, retries=2)
    assert len(call.requests) == len(call.records) == 3
    assert "after 3 tries" in str(call.error)


def test_no_client_retries_behind_our_back(provider: str) -> None:
    assert len(Call(provider, *[Failure(503)] * 9, retries=0).requests) == 1


def test_retry_after_is_waited_for(provider: str) -> None:
    call = Call(provider, Failure(429, headers={"Retry-After": "1"}), Answer("hi"))
    first, second = call.requests
    assert second.at - first.at >= 1.0


def test_a_date_in_retry_after_is_understood(provider: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    call = Call(provider, Failure(429, headers={"Retry-After": date}), retries=0)
    assert call.error is not None
    assert call.error.fault.retry_after == pytest.approx(30, abs=3)


def test_a_wait_of_hours_is_not_waited_for_but_told(provider: str) -> None:
    call = Call(provider, Failure(429, headers={"Retry-After": "7200"}), Answer("hi"))
    assert len(call.requests) == 1
    assert "asks to wait 7200 s" in str(call.error)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Failure(401), "check it in the environment"),
        (Failure(403), "check it in the environment"),
        (Failure(404), "check llm.model"),
        (Failure(400), "check llm.mode"),
        (Failure(429, "insufficient_quota", code="insufficient_quota"), "top it up"),
    ],
    ids=["401", "403", "404", "400", "no credit"],
)
def test_a_hopeless_fault_ends_at_once_with_its_remedy(provider: str, fault: Failure, remedy: str) -> None:
    call = Call(provider, *[fault] * 3)
    assert len(call.records) == 1
    assert remedy in str(call.error)
    assert call.error is not None
    assert call.error.resumable


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Failure(429), "lower llm.requests_per_minute"),
        (Failure(500), "status page"),
        (Hang(), "llm.timeout (0.2 s)"),
        (Drop(), "check the network"),
        (Raw("<html>"), "not in the provider's protocol"),
    ],
    ids=["429", "500", "hang", "dropped", "no JSON"],
)
def test_a_lasting_fault_ends_with_its_remedy(provider: str, fault: Reply, remedy: str) -> None:
    call = Call(provider, fault, retries=0, timeout=0.2)
    assert remedy in str(call.error)


def test_a_server_that_is_not_there_says_where_it_was_looked_for(provider: str) -> None:
    with LoopbackServer() as gone:
        config = llm_config(provider, gone)
    with pytest.raises(TransportError, match=r"connection failed.*http://127\.0\.0\.1"):
        Meter(config, lambda record: None).call(connect(config), [HumanMessage("hello")], "test")


def test_a_refused_call_is_free_and_a_lost_one_of_unknown_price(provider: str) -> None:
    refused = Call(provider, Failure(429), retries=0, input_price=1, output_price=1)
    lost = Call(provider, Drop(), retries=0, input_price=1, output_price=1)
    assert refused.records[0].dollars == 0.0
    assert lost.records[0].dollars is None


def test_each_attempt_is_reported_before_the_next_begins(provider: str) -> None:
    seen: list[int] = []
    with LoopbackServer([Failure(500), Failure(500), Answer("hi")]) as server:
        config = llm_config(provider, server, retries=2)
        meter = Meter(config, lambda record: seen.append(len(server.requests)), first_wait=0.01)
        meter.call(connect(config), [HumanMessage("hello")], "test")
    assert seen == [1, 2, 3]


def test_a_ledger_that_says_stop_is_obeyed(provider: str) -> None:
    class BudgetSpent(Exception):
        pass

    def stop(record: CallRecord) -> None:
        raise BudgetSpent

    with LoopbackServer([Failure(500), Answer("hi")]) as server:
        config = llm_config(provider, server, retries=2)
        with pytest.raises(BudgetSpent):
            Meter(config, stop, first_wait=0.01).call(connect(config), [HumanMessage("hello")], "test")
        assert len(server.requests) == 1


def test_a_key_never_reaches_errors_records_or_logs(provider: str, monkeypatch, caplog) -> None:
    fake_keys(monkeypatch)
    caplog.set_level(logging.INFO)
    echo = Failure(401, f"Incorrect API key provided: {FAKE_KEY}")
    call = Call(provider, Failure(500, f"crash near {FAKE_KEY}"), echo, echo)
    assert FAKE_KEY in call.requests[0].headers.get("authorization", "") + str(call.requests[0].headers)
    assert FAKE_KEY not in str(call.error)
    assert FAKE_KEY not in str(call.records)
    assert FAKE_KEY not in caplog.text


def test_an_answer_under_a_schema_that_is_cut_off_is_a_fault_of_content(provider: str) -> None:
    with LoopbackServer([Answer('{"a": ', finish="length")]) as server:
        config = llm_config(provider, server, input_price=1, output_price=1)
        records: list[CallRecord] = []
        schema = {"title": "a", "description": "a", "type": "object", "properties": {"a": {"type": "string"}}}
        runnable = connect(config).with_structured_output(schema, method="json_schema", include_raw=True)
        meter = Meter(config, records.append)
        if provider == "openai":
            with pytest.raises(ContentFault, match="max_tokens"):
                meter.call(runnable, [HumanMessage("hello")], "test")
        else:
            assert meter.call(runnable, [HumanMessage("hello")], "test").text == '{"a": '
    assert records[0].input_tokens > 0
    assert records[0].dollars
