"""Every row of the table of faults, with the real clients: no crash, the right kind, and every call in the ledger."""

import time
from dataclasses import asdict
from json import dumps
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent.llm import CallRecord, ContentFault, Meter, StartedCall, TransportError
from agent.memory.ledger import Ledger
from agent.memory.proposal import Proposal
from agent.proposers.answers import read_submission, read_text
from agent.proposers.schema import SUBMIT, tool_definitions
from tests.agent.proposers.arms import history
from tests.loopback.bodies import PROPOSAL
from tests.loopback.clients import connected, llm_config
from tests.loopback.faults import ROWS, TRANSIENT, Row
from tests.loopback.server import LoopbackServer

TIMEOUT = 0.6


class Books:
    """A ledger, kept as a study keeps it."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.records: list[CallRecord] = []

    def begin(self, call: StartedCall) -> None:
        self.ledger.begin_llm_call(call.id, call.input_tokens, call.output_tokens, call.dollars)

    def end(self, record: CallRecord) -> None:
        dumps(asdict(record), ensure_ascii=False).encode()  # it can be stored
        self.records.append(record)
        self.ledger.add_llm_call(record.id, record.input_tokens, record.output_tokens, record.dollars)


def outcome_of(row: Row, server: LoopbackServer, books: Books) -> str:
    slow = row.outcome != "timeout"
    config = llm_config(row.provider, server, retries=1, timeout=20.0 if slow else TIMEOUT)
    tools = tool_definitions(["describe_dataset", SUBMIT], row.provider, history())
    chat = connected(config).bind_tools(tools, tool_choice="any")
    meter = Meter(config, books.end, first_wait=0.01, on_start=books.begin)
    answer = error = None
    try:
        answer = meter.call(chat, [HumanMessage("hello")], "propose")
    except TransportError as failed:
        error = failed
    except ContentFault:
        return "malformed"
    if error is not None:
        assert str(error).isprintable()
        assert len(str(error)) < 1_500
        return error.fault.kind
    assert answer is not None
    read = read_submission(answer) or read_text(answer)
    if not isinstance(read, Proposal):
        return "malformed"
    assert read.model_dump()["policy"] == Proposal.model_validate(PROPOSAL).model_dump()["policy"]
    return "proposal"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_fault_is_what_it_is_and_every_call_is_in_the_ledger(
    row: Row, server: LoopbackServer, tmp_path: Path
) -> None:
    books = Books(tmp_path / "ledger.jsonl")
    server.play(row.reply, row.reply)
    started = time.monotonic()
    assert outcome_of(row, server, books) == row.outcome
    served = len(server.requests)
    assert served == (2 if row.outcome in TRANSIENT else 1)
    spent = Ledger(tmp_path / "ledger.jsonl").spent()
    assert (spent.llm_calls, spent.unfinished_calls) == (served, 0)
    if row.outcome == "timeout":
        assert time.monotonic() - started < 2 * (TIMEOUT + 1) + 2


def test_the_table_is_long_enough_to_mean_something() -> None:
    for provider in ("openai", "google_genai"):
        assert len({row.name for row in ROWS if row.provider == provider}) >= 65
