"""Makes the client of any provider from 'provider:model'. Keys come only from the environment."""

import logging
import os
from typing import TYPE_CHECKING, Any

from agent.settings.config import LLMConfig
from agent.settings.secrets import redact
from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LOG = logging.getLogger(__name__)

DEFAULT_MODELS = {"openai": "openai:gpt-5-mini", "google_genai": "google_genai:gemini-flash-latest"}
"""The model that 'auto' uses where only a key is set."""
KEY_VARIABLES = {
    "openai": ("OPENAI_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""Provider → the environment variables that may hold its key, in the order in which they are read."""
_PLACEHOLDER_KEY = "not-needed"
_EXAMPLES = (
    "openai:gpt-5-mini, google_genai:gemini-flash-latest, "
    "or openai:llama3 with --llm-base-url http://localhost:11434/v1"
)


def provider_of(model: str) -> str:
    """The prefix of 'provider:model'.

    Raises:
        ConfigurationError: there is no prefix, or nothing after it.
    """
    provider, _, name = model.partition(":")
    if not provider or not name:
        raise ConfigurationError(
            f"llm.model is {model!r}: write it as provider:model, such as {_EXAMPLES}. "
            "The provider is not guessed from the model's name."
        )
    return provider


def key_of(provider: str) -> str | None:
    """The provider's key from the environment; None where none is set."""
    return next((value for name in KEY_VARIABLES.get(provider, ()) if (value := os.environ.get(name))), None)


def configured_model(config: LLMConfig) -> str | None:
    """The model that the `auto` arm would use: the configured one, else a default by the key present.

    Raises:
        ConfigurationError: the model has no provider prefix, or a base_url is given without a model.
    """
    if config.model:
        provider_of(config.model)
        return config.model
    if config.base_url:
        raise ConfigurationError(
            f"llm.base_url is {redact(config.base_url)!r}, but llm.model is not set: name a model of this "
            "server, such as --llm openai:llama3"
        )
    return next((model for provider, model in DEFAULT_MODELS.items() if key_of(provider)), None)


def connect(config: LLMConfig) -> "BaseChatModel":
    """The client for `config.model`, with its own retries off: `Meter` retries, alike for every provider.

    The clients' own retries differ (Google's ignores Retry-After and gives up at a dropped connection) and hide
    failed attempts from the ledger.

    Raises:
        ConfigurationError: no model, no prefix, no key, an unknown provider, or its package is not installed.
    """
    if config.model is None:
        raise ConfigurationError(f"llm.model is not set: name one with --llm, such as {_EXAMPLES}")
    provider = provider_of(config.model)
    key = key_of(provider)
    if key is None and config.base_url:
        key = _PLACEHOLDER_KEY
    if key is None and provider in KEY_VARIABLES:
        names = " or ".join(KEY_VARIABLES[provider])
        raise ConfigurationError(
            f"There is no key for {config.model}: set the environment variable {names} "
            f"(export {KEY_VARIABLES[provider][0]}=…), use a local server with --llm-base-url, "
            "or search without a language model with --proposer tpe"
        )
    settings = _settings(provider, config)
    if provider in KEY_VARIABLES:
        settings["api_key"] = key
    return _build(config.model, settings)


def _settings(provider: str, config: LLMConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {"timeout": config.timeout, "max_retries": 0, "max_tokens": config.max_tokens}
    if config.temperature is not None:
        settings["temperature"] = config.temperature
    if config.base_url:
        settings["base_url"] = config.base_url
    if config.requests_per_minute:
        from langchain_core.rate_limiters import InMemoryRateLimiter

        settings["rate_limiter"] = InMemoryRateLimiter(requests_per_second=config.requests_per_minute / 60)
    if provider == "openai":
        settings["use_responses_api"] = False
        if config.base_url:
            # Local servers (Ollama, LM Studio) know only the older name of the limit, and ignore the newer one.
            settings["extra_body"] = {"max_tokens": settings.pop("max_tokens")}
    if provider == "google_genai":
        # Its retries count the first attempt, and 0 means five. Its temperature is 0.7 unless None is given.
        settings |= {"max_retries": 1, "temperature": config.temperature}
    return settings


def _build(model: str, settings: dict[str, Any]) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    provider = provider_of(model)
    try:
        chat = init_chat_model(model, **settings)
    except ImportError as error:
        raise ConfigurationError(
            f"The package for the provider {provider!r} is not installed: {redact(str(error))}"
        ) from error
    except Exception as error:  # each provider's client raises its own errors, for a missing key too
        if isinstance(error, ValueError) and "provider" in str(error).lower():
            raise ConfigurationError(
                f"llm.model is {model!r}: the provider {provider!r} is unknown. Use one such as {_EXAMPLES}"
            ) from error
        raise ConfigurationError(
            f"Cannot make the client for {model}: {type(error).__name__}: {redact(str(error))} "
            f"(check the llm.* settings and the key of {provider})"
        ) from error
    known = {
        name for field, info in type(chat).model_fields.items() for name in (field, info.alias, "api_key")
    }
    for setting in settings.keys() - known:
        _LOG.warning("the client of %s does not support %s: that setting has no effect", provider, setting)
    return chat
