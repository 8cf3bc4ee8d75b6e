"""Makes the client of any provider from 'provider:model'. Keys come only from the environment."""

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import ValidationError

from agent.llm.providers import (
    GOOGLE_API_VERSION,
    KEY_VARIABLES,
    OFFICIAL_URLS,
    check_llm,
    key_of,
    provider_of,
    with_server,
)
from agent.llm.wire import Wire
from agent.settings.config import LLMConfig
from agent.settings.secrets import mask
from tools.errors import ConfigurationError
from tools.text import one_line

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_LOG = logging.getLogger(__name__)
_PLACEHOLDER_KEY = "not-needed"


def connect(config: LLMConfig) -> "BaseChatModel":
    """The client for `config.model`, with its own retries off: `Meter` retries, alike for every provider.

    The clients' own retries differ (Google's ignores Retry-After and gives up at a dropped connection) and hide
    failed attempts from the ledger. They also follow redirects, which may carry the key to another server, and read
    answers of any size: `Wire` does neither.

    Raises:
        ConfigurationError: no model, no prefix, no key, an unknown provider, or its package is not installed.
    """
    check_llm(config)
    config = with_server(config)
    assert config.model is not None
    provider = provider_of(config.model)
    try:
        settings = _settings(provider, config)
    except (ValueError, ImportError, OSError) as error:
        raise _cannot_make(config.model, error) from error
    if provider in KEY_VARIABLES:
        settings["api_key"] = key_of(provider) or _PLACEHOLDER_KEY
    return _build(config.model, settings)


def _cannot_make(model: str, error: Exception) -> ConfigurationError:
    # A validation error shows all values that were given, the key among them.
    text = (
        "; ".join(each["msg"] for each in error.errors())
        if isinstance(error, ValidationError)
        else str(error)
    )
    return ConfigurationError(
        f"Cannot make the client for {model}: {type(error).__name__}: {one_line(mask(text), 400)} (check the llm.* "
        f"settings, the key of {provider_of(model)}, and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, "
        "SSL_CERT_FILE and SSL_CERT_DIR)"
    )


def _settings(provider: str, config: LLMConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {"timeout": config.timeout, "max_retries": 0, "max_tokens": config.max_tokens}
    if config.temperature is not None:
        settings["temperature"] = config.temperature
    # Always named, so that no variable sends the client elsewhere.
    if address := config.base_url or OFFICIAL_URLS.get(provider):
        settings["base_url"] = address
    if provider == "openai":
        settings |= _openai_settings(config, settings)
    if provider == "google_genai":
        # Its retries count the first attempt, and 0 means five. Its temperature is 0.7 unless None is given.
        settings |= {
            "max_retries": 1,
            "temperature": config.temperature,
            "api_version": GOOGLE_API_VERSION,
            "vertexai": False,
            "client_args": Wire(config).client_settings(),
        }
    return settings


def _openai_settings(config: LLMConfig, settings: dict[str, Any]) -> dict[str, Any]:
    from openai import DefaultHttpxClient

    own = DefaultHttpxClient(timeout=config.timeout, **Wire(config).client_settings())
    changed: dict[str, Any] = {"use_responses_api": False, "http_client": own, "http_socket_options": ()}
    if config.base_url:
        # The client appends its paths to the end of the address, so a query (?api-version=…) is given on its own.
        address = urlsplit(config.base_url)
        changed["base_url"] = urlunsplit(address._replace(query="", fragment=""))
        changed["default_query"] = dict(parse_qsl(address.query)) or None
        # Local servers (Ollama, LM Studio) know only the older name of the limit, and ignore the newer one.
        changed["extra_body"] = {"max_tokens": settings.pop("max_tokens")}
    return changed


def _build(model: str, settings: dict[str, Any]) -> "BaseChatModel":
    from langchain.chat_models import init_chat_model

    provider = provider_of(model)
    try:
        chat = init_chat_model(model, **settings)
    except Exception as error:  # each provider's client raises its own errors, for a missing key too
        raise _cannot_make(model, error) from error
    known = {
        name for field, info in type(chat).model_fields.items() for name in (field, info.alias, "api_key")
    }
    for setting in settings.keys() - known:
        _LOG.warning("the client of %s does not support %s: that setting has no effect", provider, setting)
    return chat
