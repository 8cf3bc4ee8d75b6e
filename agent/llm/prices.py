"""What a call costs: by the configured prices, else by those that providers publish. An unknown price is never zero.

The published prices are the table that the package `genai-prices` ships with; nothing is downloaded.
"""

from typing import TYPE_CHECKING

from agent.settings.config import LLMConfig

if TYPE_CHECKING:
    from langchain_core.messages.ai import UsageMetadata

_MILLION = 1_000_000


def cost(config: LLMConfig, usage: "UsageMetadata") -> float | None:
    """Dollars for the tokens of `usage`; None where the price is not known.

    `llm.input_price` and `llm.output_price` come first, and hold for cached tokens too. Published prices are used for
    the provider's own server only: behind a `base_url` the same name may cost anything.
    """
    input_dollars, output_dollars = _published(config, usage)
    if config.input_price is not None:
        input_dollars = config.input_price * usage["input_tokens"] / _MILLION
    if config.output_price is not None:
        output_dollars = config.output_price * usage["output_tokens"] / _MILLION
    return None if input_dollars is None or output_dollars is None else input_dollars + output_dollars


def is_price_known(config: LLMConfig) -> bool:
    """Whether `cost` can tell what the configured model costs."""
    return cost(config, {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}) is not None


def _published(config: LLMConfig, usage: "UsageMetadata") -> tuple[float | None, float | None]:
    """Dollars for input and output by the published prices, with the discount for cached input."""
    if config.model is None or config.base_url or None not in (config.input_price, config.output_price):
        return None, None
    from genai_prices import Usage, calc_price

    provider, _, model = config.model.partition(":")
    cached = usage.get("input_token_details", {})
    try:
        price = calc_price(
            Usage(
                input_tokens=usage["input_tokens"],
                output_tokens=usage["output_tokens"],
                cache_read_tokens=cached.get("cache_read") or None,
                cache_write_tokens=cached.get("cache_creation") or None,
            ),
            model,
            provider_id=provider,
        )
    except (LookupError, ValueError):  # not in the table, or counts that contradict each other
        return None, None
    listed = price.model_price
    return (
        None if listed.input_mtok is None else float(price.input_price),
        None if listed.output_mtok is None else float(price.output_price),
    )
