"""Configurations of the real clients that point at the loopback server."""

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from agent.llm import connect
from agent.settings.config import LLMConfig
from tests.loopback.server import LoopbackServer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

PROVIDERS = ("openai", "google_genai")
FAKE_KEY = "sk-this-is-not-a-key-0123456789"
KEY_VARIABLES = ("OPENAI_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY")


def llm(**settings: Any) -> LLMConfig:
    return LLMConfig(**settings)


def llm_config(provider: str, server: LoopbackServer, **settings: Any) -> LLMConfig:
    """One try, five seconds, unless told otherwise."""
    url = server.openai_url if provider == "openai" else server.gemini_url
    defaults = {"model": f"{provider}:loopback", "base_url": url, "retries": 0, "timeout": 5.0}
    return llm(**{**defaults, **settings})


def connected(config: LLMConfig) -> "BaseChatModel":
    """The client of `config`; made once, since that takes longer than any call to the loopback server."""
    return _client(config.model_dump_json())


@cache
def _client(settings: str) -> "BaseChatModel":
    return connect(LLMConfig.model_validate_json(settings))


def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def fake_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEY_VARIABLES:
        monkeypatch.setenv(name, FAKE_KEY)
