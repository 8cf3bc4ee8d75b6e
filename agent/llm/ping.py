"""Whether an LLM provider answers: asks once for its list of models. Costs no tokens and imports no client."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import NamedTuple

from agent.llm.connect import KEY_VARIABLES, key_of, provider_of
from agent.settings.sources import mask

TIMEOUT = 5.0
"""Seconds."""


class _Endpoint(NamedTuple):
    """Where a provider lists its models, and how it wants the key."""

    base: str
    path: str
    header: str
    value: str = "{key}"


_BEARER = ("Authorization", "Bearer {key}")
_ENDPOINTS = {
    "openai": _Endpoint("https://api.openai.com/v1", "/models", *_BEARER),
    "google_genai": _Endpoint(
        "https://generativelanguage.googleapis.com", "/v1beta/models?pageSize=1000", "x-goog-api-key"
    ),
    "anthropic": _Endpoint("https://api.anthropic.com", "/v1/models?limit=1000", "x-api-key"),
    "deepseek": _Endpoint("https://api.deepseek.com", "/models", *_BEARER),
    "groq": _Endpoint("https://api.groq.com/openai/v1", "/models", *_BEARER),
    "mistralai": _Endpoint("https://api.mistral.ai/v1", "/models", *_BEARER),
    "xai": _Endpoint("https://api.x.ai/v1", "/models", *_BEARER),
    "ollama": _Endpoint("http://localhost:11434", "/api/tags", *_BEARER),
}


@dataclass(frozen=True)
class PingResult:
    """How the provider answered. `reachable` is None where it cannot be asked for free."""

    reachable: bool | None
    detail: str
    remedy: str = ""


def ping(model: str, base_url: str | None, timeout: float = TIMEOUT) -> PingResult:
    """Ask the provider of `model` ('provider:model') for its list of models.

    Args:
        model: its provider's key is read from the environment, and sent only to that provider.
        base_url: a server that speaks the provider's protocol, asked instead.
        timeout: seconds until the provider counts as unreachable.
    """
    provider, name = provider_of(model), model.partition(":")[2]
    endpoint = _ENDPOINTS.get(provider)
    if endpoint is None:
        return PingResult(None, f"{model}: {provider} has no check that costs nothing")
    variables = KEY_VARIABLES.get(provider, ())
    key = key_of(provider)
    if key is None and variables and not base_url:
        return PingResult(False, f"{model}: no key", f"set {' or '.join(variables)}")
    address = (base_url or endpoint.base).rstrip("/") + endpoint.path
    request = urllib.request.Request(address, headers={"anthropic-version": "2023-06-01"})
    if key:
        request.add_unredirected_header(endpoint.header, endpoint.value.format(key=key))
    shown = mask(address)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            listed = _names(json.load(answer))
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            remedy = f"check {' or '.join(variables) or 'the key'}"
            return PingResult(False, f"{model}: {shown} refuses the key (HTTP {error.code})", remedy)
        if error.code == 404:
            return PingResult(False, f"{model}: {shown} does not exist (HTTP 404)", "check --llm-base-url")
        return PingResult(False, f"{model}: {shown} answers HTTP {error.code}", "try again later")
    except (OSError, HTTPException, ValueError) as error:
        reason = mask(str(getattr(error, "reason", error)))
        remedy = "start the server, or check --llm-base-url" if base_url else "check the network or its proxy"
        return PingResult(False, f"{model}: no answer from {shown}: {reason}", remedy)
    if not listed or any(name == other or other.startswith(f"{name}:") for other in listed):
        return PingResult(True, f"{model} at {shown}")
    shortened = ", ".join(sorted(listed)[:5]) + (", …" if len(listed) > 5 else "")
    # A provider may know more names than it lists (aliases); a local server has only what it lists.
    return PingResult(
        not base_url, f"{model}: {shown} answers, but does not list {name}", f"it lists: {shortened}"
    )


def _names(answer: object) -> set[str]:
    """Names in a list of models as OpenAI, Google, Anthropic and Ollama write it; empty for another form."""
    rows = answer.get("data") or answer.get("models") if isinstance(answer, dict) else None
    names = (row.get("id") or row.get("name") for row in rows or () if isinstance(row, dict))
    return {str(name).removeprefix("models/") for name in names if name}
