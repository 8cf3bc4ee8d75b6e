"""Whether an LLM provider answers: asks once for its list of models. Costs no tokens and imports no client."""

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from agent.llm.deadline import within
from agent.llm.error_bodies import read_error
from agent.llm.fault_kinds import FaultKind, kind_of
from agent.llm.providers import (
    GOOGLE_API_VERSION,
    KEY_VARIABLES,
    OFFICIAL_URLS,
    key_of,
    provider_of,
    server_of,
)
from agent.llm.wire_errors import CallTimeout
from agent.settings.config import LLMConfig
from agent.settings.secrets import mask
from tools.errors import ConfigurationError

TIMEOUT = 5.0
"""Seconds."""
_LONGEST_LIST = 8 * 2**20
"""Bytes."""


class _Endpoint(NamedTuple):
    """Where a provider lists its models, and how it wants the key."""

    base: str
    path: str
    header: str
    value: str = "{key}"


_BEARER = ("Authorization", "Bearer {key}")
_ENDPOINTS = {
    "openai": _Endpoint(OFFICIAL_URLS["openai"], "/models", *_BEARER),
    "google_genai": _Endpoint(
        OFFICIAL_URLS["google_genai"], f"/{GOOGLE_API_VERSION}/models?pageSize=1000", "x-goog-api-key"
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
    try:
        server = server_of(LLMConfig(model=model, base_url=base_url))
    except ConfigurationError as error:
        return PingResult(False, f"{model}: {error}")
    base_url = server.address if server else None
    where = (server.variable if server else "") or "--llm-base-url"
    variables = KEY_VARIABLES.get(provider, ())
    key = key_of(provider)
    if key is None and variables and not base_url:
        return PingResult(False, f"{model}: no key", f"set {' or '.join(variables)}")
    request = _request(base_url or endpoint.base, endpoint, key)
    shown = mask(_joined(base_url or endpoint.base, endpoint.path))
    try:
        listed = within(timeout, lambda: _ask(request, timeout))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return PingResult(False, f"{model}: {shown} does not exist (HTTP 404)", f"check {where}")
        remedies: dict[FaultKind, str] = {
            "authentication": f"check {' or '.join(variables) or 'the key'}",
            "quota": "top up the account, or wait for its next quota",
            "redirect": f"check {where}",
        }
        kind = _kind(error)
        what = "refuses the key" if kind == "authentication" else "answers"
        suffix = f"(HTTP {error.code})" if kind == "authentication" else f"HTTP {error.code}"
        return PingResult(False, f"{model}: {shown} {what} {suffix}", remedies.get(kind, "try again later"))
    except (OSError, HTTPException, ValueError, CallTimeout) as error:
        reason = mask(str(getattr(error, "reason", error)))
        remedy = f"start the server, or check {where}" if base_url else "check the network or its proxy"
        return PingResult(False, f"{model}: no answer from {shown}: {reason}", remedy)
    if not listed or any(name == other or other.startswith(f"{name}:") for other in listed):
        return PingResult(True, f"{model} at {shown}")
    shortened = ", ".join(sorted(listed)[:5]) + (", …" if len(listed) > 5 else "")
    # A provider may know more names than it lists (aliases); a local server has only what it lists.
    return PingResult(
        not base_url, f"{model}: {shown} answers, but does not list {name}", f"it lists: {shortened}"
    )


def _joined(base: str, path: str) -> str:
    """The address of `path` under `base`, with the query of both."""
    address, (path, _, query) = urlsplit(base), path.partition("?")
    both = "&".join(filter(None, (address.query, query)))
    return urlunsplit(address._replace(path=address.path.rstrip("/") + path, query=both, fragment=""))


def _request(base: str, endpoint: _Endpoint, key: str | None) -> urllib.request.Request:
    """The request with its credentials, which a redirect does not carry to another server."""
    address = urlsplit(_joined(base, endpoint.path))
    user, at, host = address.netloc.rpartition("@")
    request = urllib.request.Request(
        urlunsplit(address._replace(netloc=host)), headers={"anthropic-version": "2023-06-01"}
    )
    if key:
        request.add_unredirected_header(endpoint.header, endpoint.value.format(key=key))
    if at:
        packed = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {packed}")
    return request


def _ask(request: urllib.request.Request, timeout: float) -> set[str]:
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return _names(json.loads(answer.read(_LONGEST_LIST)))


def _kind(error: urllib.error.HTTPError) -> FaultKind:
    try:
        body = read_error(json.loads(error.read(_LONGEST_LIST)))
    except (OSError, ValueError, RecursionError, HTTPException):
        body = read_error({})
    return kind_of([error], error.code, body, body.message)


def _names(answer: object) -> set[str]:
    """Names in a list of models as OpenAI, Google, Anthropic and Ollama write it; empty for another form."""
    rows = answer.get("data") or answer.get("models") if isinstance(answer, dict) else None
    names = (row.get("id") or row.get("name") for row in rows or () if isinstance(row, dict))
    return {str(name).removeprefix("models/") for name in names if name}
