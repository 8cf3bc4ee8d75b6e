"""Every fault of the transport, with the real clients over real HTTP: survived, or ended with what to do."""

import logging
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from agent.llm import CallRecord, ContentFault, Meter, TransportError, connect
from tests.loopback.clients import FAKE_KEY, PROVIDERS, connected, fake_keys, llm_config
from tests.loopback.replies import Answer, CutOff, Drop, Failure, Hang, Raw, Reply
from tests.loopback.server import LoopbackServer

HELLO = [HumanMessage("hello")]


class Caller:
    """Makes calls of one provider's client against scripted replies, with nearly no backoff."""

    def __init__(self, server: LoopbackServer, provider: str) -> None:
        self.server = server
        self.provider = provider
        self.records: list[CallRecord] = []

    def call(self, *replies: Reply, **settings: Any) -> AIMessage:
        self.records.clear()
        self.server.play(*replies)
        config = llm_config(self.provider, self.server, **{"retries": 2, **settings})
        return Meter(config, self.records.append, first_wait=0.01).call(connected(config), HELLO, "test")

    def fails(self, *replies: Reply, **settings: Any) -> TransportError:
        with pytest.raises(TransportError) as caught:
            self.call(*replies, **settings)
        return caught.value


@pytest.fixture(params=PROVIDERS)
def caller(request: pytest.FixtureRequest, server: LoopbackServer) -> Caller:
    return Caller(server, request.param)


def test_a_temporary_fault_is_survived_and_counted(caller: Caller) -> None:
    for fault in (Failure(429), Failure(500), Failure(503), Drop(), CutOff(), Raw("<html>busy</html>")):
        assert caller.call(fault, Answer("hi")).text == "hi", fault
        assert [record.error is None for record in caller.records] == [False, True], fault


def test_a_server_that_hangs_is_left_after_the_timeout(caller: Caller) -> None:
    started = time.monotonic()
    assert caller.call(Hang(), Answer("hi"), timeout=0.3).text == "hi"
    assert 0.3 <= time.monotonic() - started < 5
    assert "timeout" in str(caller.records[0].error)


def test_the_number_of_tries_is_bounded_and_no_client_retries_on_its_own(caller: Caller) -> None:
    for retries in (0, 2):
        error = caller.fails(*[Failure(503)] * 9, retries=retries)
        assert len(caller.server.requests) == len(caller.records) == retries + 1
    assert "3 tries" in str(error)


def test_retry_after_is_waited_for(caller: Caller) -> None:
    caller.call(Failure(429, headers={"Retry-After": "0.3"}), Answer("hi"))
    first, second = caller.server.requests
    assert second.at - first.at >= 0.3


def test_retry_after_is_understood_in_every_form(caller: Caller) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    forms = [Failure(429, headers={"Retry-After": value}) for value in ("30", date)]
    if caller.provider == "google_genai":
        forms.append(Failure(429, retry_delay="30s"))
    for form in forms:
        assert caller.fails(form, retries=0).fault.retry_after == pytest.approx(30, abs=5), form


def test_a_wait_of_hours_ends_the_call_and_is_reported(caller: Caller) -> None:
    error = caller.fails(Failure(429, headers={"Retry-After": "7200"}), Answer("hi"))
    assert len(caller.server.requests) == 1
    assert "7200 s" in str(error)


def test_a_permanent_fault_ends_at_once_with_its_remedy(caller: Caller) -> None:
    for fault, remedy in (
        (Failure(401), "environment variable"),
        (Failure(403), "environment variable"),
        (Failure(400, "API key not valid. Please pass a valid API key."), "environment variable"),
        (Failure(404), "llm.model"),
        (Failure(400), "llm.mode"),
        (Failure(402), "top it up"),
    ):
        error = caller.fails(fault, fault)
        assert len(caller.records) == 1, fault
        assert remedy in str(error), fault
        assert error.resumable


def test_a_lasting_fault_ends_with_its_remedy(caller: Caller) -> None:
    for fault, remedy in (
        (Failure(429), "llm.requests_per_minute"),
        (Failure(500), "try again later"),
        (Hang(), "llm.timeout (0.2 s)"),
        (Drop(), "check the network"),
        (Raw("<html>"), "protocol"),
    ):
        assert remedy in str(caller.fails(fault, retries=0, timeout=0.2)), fault


def test_the_providers_message_is_shown_without_what_its_client_adds(caller: Caller) -> None:
    for status in (400, 401, 404, 429, 500):
        assert caller.fails(Failure(status, "as it said."), retries=0).fault.text == "as it said"


def test_a_server_that_is_not_there_is_named(caller: Caller) -> None:
    with LoopbackServer() as gone:
        config = llm_config(caller.provider, gone)
    with pytest.raises(TransportError, match=r"llm\.base_url.*http://127\.0\.0\.1"):
        Meter(config, caller.records.append).call(connect(config), HELLO, "test")


def test_a_server_that_cannot_be_reached_says_why(caller: Caller) -> None:
    """'Connection error' alone says nothing."""
    plain = caller.server.address
    for address, why in (
        ("http://127.0.0.1:9/v1", "refused"),
        ("http://no-such-server.invalid/v1", "(name|resolution|known)"),
        (f"{plain.replace('http', 'https')}/v1", "(SSL|TLS)"),
    ):
        config = llm_config(caller.provider, caller.server, base_url=address)
        with pytest.raises(TransportError, match=f"connection: .*{why}.*check the network"):
            Meter(config, caller.records.append).call(connect(config), HELLO, "test")


def test_a_refused_call_is_free_and_the_price_of_a_lost_one_is_unknown(caller: Caller) -> None:
    for fault, dollars in ((Failure(429), 0.0), (Drop(), None)):
        caller.fails(fault, retries=0, input_price=1, output_price=1)
        assert caller.records[0].dollars == dollars, fault


def test_each_attempt_is_reported_before_the_next_begins(server: LoopbackServer) -> None:
    seen: list[int] = []
    server.play(Failure(500), Failure(500), Answer("hi"))
    config = llm_config("openai", server, retries=2)
    meter = Meter(config, lambda record: seen.append(len(server.requests)), first_wait=0.01)
    meter.call(connected(config), HELLO, "test")
    assert seen == [1, 2, 3]


def test_a_ledger_that_says_stop_is_obeyed(server: LoopbackServer) -> None:
    class BudgetSpent(Exception):
        pass

    def stop(record: CallRecord) -> None:
        raise BudgetSpent

    server.play(Failure(500), Answer("hi"))
    config = llm_config("openai", server, retries=2)
    with pytest.raises(BudgetSpent):
        Meter(config, stop, first_wait=0.01).call(connected(config), HELLO, "test")
    assert len(server.requests) == 1


def test_a_key_never_reaches_errors_records_or_logs(caller: Caller, monkeypatch, caplog) -> None:
    fake_keys(monkeypatch)
    caplog.set_level(logging.INFO)
    config = llm_config(caller.provider, caller.server, retries=2)
    echo = Failure(401, f"Incorrect API key provided: {FAKE_KEY}")
    caller.server.play(Failure(500, f"crash near {FAKE_KEY}"), echo)
    with pytest.raises(TransportError) as caught:
        Meter(config, caller.records.append, first_wait=0.01).call(connect(config), HELLO, "test")
    assert FAKE_KEY in str(caller.server.requests[0].headers)
    assert len(caller.records) == 2
    for text in (str(caught.value), str(caller.records), caplog.text):
        assert FAKE_KEY not in text


def test_an_answer_under_a_schema_that_is_cut_off_still_counts_and_costs(caller: Caller) -> None:
    caller.server.play(Answer('{"a": ', finish="length"))
    config = llm_config(caller.provider, caller.server, input_price=1, output_price=1)
    schema = {"title": "a", "description": "a", "type": "object", "properties": {"a": {"type": "string"}}}
    runnable = connected(config).with_structured_output(schema, method="json_schema", include_raw=True)
    meter = Meter(config, caller.records.append)
    if caller.provider == "openai":  # its client raises
        with pytest.raises(ContentFault, match="max_tokens"):
            meter.call(runnable, HELLO, "test")
    else:
        assert meter.call(runnable, HELLO, "test").text == '{"a": '
    assert caller.records[0].input_tokens > 0
    assert caller.records[0].dollars
