"""What calls cost: configured prices, published prices, and prices that nobody knows."""

import pytest
from langchain_core.messages import HumanMessage

from agent.llm import DEFAULT_MODELS, CallRecord, Meter, is_price_known
from agent.llm.prices import cost
from tests.loopback.clients import PROVIDERS, connected, llm, llm_config
from tests.loopback.replies import Answer
from tests.loopback.server import LoopbackServer

MILLION = {"input_tokens": 1_000_000, "output_tokens": 1_000_000, "total_tokens": 2_000_000}
CACHED = {**MILLION, "input_token_details": {"cache_read": 1_000_000}}


def dollars(model: str | None, usage=MILLION, **settings) -> float | None:
    return cost(llm(model=model, **settings), usage)


@pytest.mark.parametrize("model", DEFAULT_MODELS.values())
def test_the_price_of_every_default_model_is_published(model: str) -> None:
    assert is_price_known(llm(model=model))
    assert dollars(model)


def test_a_published_price_counts_cached_input_as_cheaper() -> None:
    assert dollars("openai:gpt-5-mini") == pytest.approx(0.25 + 2.0)
    assert dollars("openai:gpt-5-mini", CACHED) == pytest.approx(0.025 + 2.0)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("openai:nobody-knows", {}),
        ("nobody:gpt-5-mini", {}),
        ("google_genai:gemma-3", {}),  # listed, without a price
        ("openai:gpt-5-mini", {"base_url": "http://localhost:1/v1"}),
        ("openai:nobody-knows", {"input_price": 1.0}),
        (None, {}),
    ],
    ids=["model", "provider", "listed without a price", "own server", "one price of two", "no model"],
)
def test_an_unknown_price_is_not_zero(model: str | None, settings: dict[str, object]) -> None:
    assert dollars(model, **settings) is None
    assert not is_price_known(llm(model=model, **settings))


def test_configured_prices_come_first_each_for_itself() -> None:
    assert dollars("openai:gpt-5-mini", input_price=7) == pytest.approx(7 + 2.0)
    assert dollars("openai:gpt-5-mini", output_price=7) == pytest.approx(0.25 + 7)
    assert dollars("openai:gpt-5-mini", CACHED, input_price=7, output_price=0) == pytest.approx(7)


def test_counts_that_contradict_each_other_have_no_price() -> None:
    assert dollars("openai:gpt-5-mini", {**CACHED, "input_tokens": 1}) is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cached_and_reasoning_tokens_on_the_wire_are_counted_once(
    provider: str, server: LoopbackServer
) -> None:
    records: list[CallRecord] = []
    server.play(Answer("four", cached_tokens=5, reasoning_tokens=30))
    config = llm_config(provider, server, input_price=1.0, output_price=10.0)
    answer = Meter(config, records.append).call(connected(config), [HumanMessage("hello")], "test")
    (record,) = records
    assert record.output_tokens == 32
    assert record.dollars == pytest.approx((record.input_tokens + 320) / 1e6)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == record.input_tokens > 5
    assert answer.usage_metadata.get("input_token_details", {}).get("cache_read") == 5
    full = cost(llm(model=DEFAULT_MODELS[provider]), {**answer.usage_metadata, "input_token_details": {}})
    discounted = cost(llm(model=DEFAULT_MODELS[provider]), answer.usage_metadata)
    assert full is not None
    assert discounted is not None
    assert discounted < full
