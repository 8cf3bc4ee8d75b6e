"""Which providers there are, where their keys and addresses come from, and what is wrong with a choice of model.

Light: imports no client, no LangChain, no torch, so that a mistake is told before anything slow begins.
"""

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import NamedTuple

from agent.settings.config import LLMConfig
from agent.settings.secrets import mask
from tools.errors import ConfigurationError, did_you_mean

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
OFFICIAL_URLS = {
    "openai": "https://api.openai.com/v1",
    "google_genai": "https://generativelanguage.googleapis.com",
}
"""Provider → the address of its own server, given to its client in so many words: a client asks nowhere else."""
GOOGLE_API_VERSION = "v1beta"
"""Of both the calls and the list of models: the version that has schemas and tools for every Gemini model."""
_ADDRESS_VARIABLES = {
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "google_genai": ("GOOGLE_GEMINI_BASE_URL",),
}
"""Provider → the variables by which its client is sent to another server."""
_PACKAGES = {
    "openai": "langchain_openai",
    "google_genai": "langchain_google_genai",
    "anthropic": "langchain_anthropic",
    "azure_ai": "langchain_azure_ai",
    "azure_openai": "langchain_openai",
    "baseten": "langchain_baseten",
    "bedrock": "langchain_aws",
    "bedrock_converse": "langchain_aws",
    "cohere": "langchain_cohere",
    "deepseek": "langchain_deepseek",
    "fireworks": "langchain_fireworks",
    "google_vertexai": "langchain_google_vertexai",
    "groq": "langchain_groq",
    "huggingface": "langchain_huggingface",
    "ibm": "langchain_ibm",
    "litellm": "langchain_litellm",
    "mistralai": "langchain_mistralai",
    "nvidia": "langchain_nvidia_ai_endpoints",
    "ollama": "langchain_ollama",
    "openrouter": "langchain_openrouter",
    "perplexity": "langchain_perplexity",
    "together": "langchain_together",
    "upstage": "langchain_upstage",
    "xai": "langchain_xai",
}
"""Provider → the module of its client. A test compares it with the table of `init_chat_model`."""
EXAMPLES = (
    "openai:gpt-5-mini, google_genai:gemini-flash-latest, "
    "or openai:llama3 with --llm-base-url http://localhost:11434/v1"
)


class Server(NamedTuple):
    """The address that a client is sent to, and the variable that says so; empty where a setting does."""

    address: str
    variable: str


def provider_of(model: str) -> str:
    """The prefix of 'provider:model'.

    Raises:
        ConfigurationError: there is no prefix, or nothing after it.
    """
    provider, _, name = model.partition(":")
    if not provider or not name:
        raise ConfigurationError(
            f"llm.model is {model!r}: write it as provider:model, such as {EXAMPLES}. "
            "The provider is not guessed from the model's name."
        )
    return provider


def key_of(provider: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """The provider's key from the environment; None where none is set."""
    found = (environ.get(name, "").strip() for name in KEY_VARIABLES.get(provider, ()))
    return next((value for value in found if value), None)


def configured_model(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> str | None:
    """The model that the `auto` arm would use: the configured one, else a default by the key present.

    Raises:
        ConfigurationError: the model has no provider prefix, or a base_url is given without a model.
    """
    if config.model:
        provider_of(config.model)
        return config.model
    if config.base_url:
        raise ConfigurationError(
            f"llm.base_url is {mask(config.base_url)!r}, but llm.model is not set: name a model of this "
            "server, such as --llm openai:llama3"
        )
    return next((model for provider, model in DEFAULT_MODELS.items() if key_of(provider, environ)), None)


def server_of(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> Server | None:
    """The server that `config.model` is asked at, where it is not the provider's own; None where it is.

    `llm.base_url` comes first; without it, the variables by which a provider's client is sent elsewhere.

    Raises:
        ConfigurationError: two variables contradict each other, or one of them is no http(s) address.
    """
    if config.base_url:
        return Server(config.base_url, "")
    provider = (config.model or "").partition(":")[0]
    names = _ADDRESS_VARIABLES.get(provider, ())
    found = [(name, value) for name in names if (value := environ.get(name, "").strip())]
    if not found:
        return None
    (name, address), *others = found
    for other, different in others:
        if different.rstrip("/") != address.rstrip("/"):
            raise ConfigurationError(
                f"{name} is {mask(address)!r}, but {other} is {mask(different)!r}: unset one of them, or say with "
                "--llm-base-url which server to ask"
            )
    if not re.match(r"https?://[^\s/]", address):
        raise ConfigurationError(
            f"{name} is {mask(address)!r}: it must be an http(s) address; correct it, or unset it to ask the provider"
        )
    return None if address.rstrip("/") == OFFICIAL_URLS[provider] else Server(address, name)


def with_server(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> LLMConfig:
    """`config` with the server that the environment names as its base_url: what is recorded is what is asked.

    Raises:
        ConfigurationError: see `server_of`.
    """
    server = server_of(config, environ)
    return config.model_copy(update={"base_url": server.address}) if server else config


def check_llm(config: LLMConfig, environ: Mapping[str, str] = os.environ) -> None:
    """Whether `config` can be connected to, as far as it can be told in milliseconds and without the network.

    Raises:
        ConfigurationError: no model, no prefix, an unknown provider, a package that is not installed, no key, or
            variables that contradict each other.
    """
    if config.model is None:
        raise ConfigurationError(f"llm.model is not set: name one with --llm, such as {EXAMPLES}")
    provider = provider_of(config.model)
    if provider not in _PACKAGES:
        hint = did_you_mean(provider, _PACKAGES)
        raise ConfigurationError(
            f"llm.model is {config.model!r}: the provider {provider!r} is unknown{': ' + hint if hint else '.'} "
            f"Use one such as {EXAMPLES}"
        )
    package = _PACKAGES[provider]
    if find_spec(package) is None:
        raise ConfigurationError(
            f"The package for the provider {provider!r} is not installed: install "
            f"{package.replace('_', '-')} (pip install {package.replace('_', '-')}), or use a model such as {EXAMPLES}"
        )
    names = KEY_VARIABLES.get(provider, ())
    if names and key_of(provider, environ) is None and server_of(config, environ) is None:
        raise ConfigurationError(
            f"There is no key for {config.model}: set the environment variable {' or '.join(names)} "
            f"(export {names[0]}=…), use a local server with --llm-base-url, "
            "or search without a language model with --proposer nearby"
        )
    key = key_of(provider, environ)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key):
        name = next(name for name in names if environ.get(name, "").strip() == key)
        raise ConfigurationError(
            f"{name} holds a character that no key has (a space, a line end, or one outside ASCII): copy the key again"
        )
