"""Makes the client of any provider from 'provider:model'. Keys come from the environment and nowhere else."""

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
"""What 'auto' takes where only a key is there."""
KEY_VARIABLES = {
    "openai": ("OPENAI_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""Provider → the environment variables that may hold its key, in the order in which they are looked for."""
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
            "The provider is never guessed from the name."
        )
    return provider


def _key(provider: str) -> str | None:
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
            f"llm.base_url is {redact(config.base_url)!r}, but llm.model is not set: name the model that "
            "this server offers, such as --llm openai:llama3"
        )
    return next((model for provider, model in DEFAULT_MODELS.items() if _key(provider)), None)


def connect(config: LLMConfig) -> "BaseChatModel":
    """The client for `config.model`, with its own retries off: `Meter` retries, alike for every provider.

    The clients differ where it matters. Google's waits no Retry-After, gives up at a dropped connection, and
    retries a wrong key for minutes; OpenAI's hides failed attempts from the ledger. Each makes one attempt.

    Raises:
        ConfigurationError: no model, no prefix, no key, an unknown provider, or its package is not installed.
    """
    if config.model is None:
        raise ConfigurationError(f"llm.model is not set: name one with --llm, such as {_EXAMPLES}")
    provider = provider_of(config.model)
    key = _key(provider)
    if key is None and config.base_url:
        key = _PLACEHOLDER_KEY
    if key is None and provider in KEY_VARIABLES:
        names = " or ".join(KEY_VARIABLES[provider])
        raise ConfigurationError(
            f"No key for {config.model}: the environment variable {names} is not set. Set it "
            f"(export {KEY_VARIABLES[provider][0]}=…), or use a local server with --llm-base-url, "
            "or search without a language model with --proposer tpe"
        )
    settings = _settings(provider, config)
    if provider in KEY_VARIABLES:
        settings["api_key"] = key
    chat = _build(config.model, settings)
    return _single_attempt(chat, config) if provider == "google_genai" else chat


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
            # Local servers know the limit by its older name only (Ollama, LM Studio), and ignore the new one.
            settings["extra_body"] = {"max_tokens": settings.pop("max_tokens")}
    if provider == "google_genai":
        # HTTP rather than gRPC: proxies and base_url work, and an error shows its Retry-After.
        settings |= {"transport": "rest", "max_retries": 1}
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
    except ValueError as error:
        if "provider" in str(error).lower():
            raise ConfigurationError(
                f"llm.model is {model!r}: {provider!r} is no known provider. Use one such as {_EXAMPLES}"
            ) from error
        raise ConfigurationError(
            f"The client for {model} cannot be made: {redact(str(error))} (check the llm.* settings)"
        ) from error
    except Exception as error:  # each provider's client has errors of its own, a missing key among them
        raise ConfigurationError(
            f"The client for {model} cannot be made: {type(error).__name__}: {redact(str(error))} "
            f"(check the llm.* settings and the key of {provider})"
        ) from error
    known = {
        name for field, info in type(chat).model_fields.items() for name in (field, info.alias, "api_key")
    }
    for setting in settings.keys() - known:
        _LOG.warning("the client of %s takes no %s: that setting has no effect", provider, setting)
    return chat


class _SingleAttempt:
    """Google's service client without the hidden retries (503, for ten minutes) that its layer below adds."""

    def __init__(self, service: Any) -> None:
        self._service = service

    def generate_content(self, **arguments: Any) -> Any:
        return self._service.generate_content(retry=None, **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)


def _single_attempt(chat: Any, config: LLMConfig) -> "BaseChatModel":
    chat.client = _SingleAttempt(chat.client)
    if config.temperature is None:
        # The class has a default of its own (0.7); None is left out, and the provider's default holds.
        chat.temperature = None
    return chat
