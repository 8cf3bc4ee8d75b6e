"""What a call costs. An unknown price stays unknown: it is never taken for zero."""

import json
from functools import cache
from importlib.resources import files

from agent.settings.config import LLMConfig

_MILLION = 1_000_000


@cache
def _published() -> dict[str, tuple[float, float]]:
    table = json.loads(files("agent.llm").joinpath("prices.json").read_text(encoding="utf-8"))
    return {model: (prices[0], prices[1]) for model, prices in table["models"].items()}


def price_of(config: LLMConfig) -> tuple[float, float] | None:
    """(input, output) dollars for a million tokens; None where it is not known.

    The configured prices come first. The published ones hold for the providers' own servers alone: behind a
    `base_url` the same name may cost anything.
    """
    if config.input_price is not None and config.output_price is not None:
        return config.input_price, config.output_price
    published = None if config.base_url or config.model is None else _published().get(config.model)
    if published is None:
        return None
    given_input, given_output = config.input_price, config.output_price
    return (
        published[0] if given_input is None else given_input,
        published[1] if given_output is None else given_output,
    )


def cost(price: tuple[float, float] | None, input_tokens: int, output_tokens: int) -> float | None:
    """Dollars for so many tokens; None where the price is not known."""
    if price is None:
        return None
    return (price[0] * input_tokens + price[1] * output_tokens) / _MILLION
