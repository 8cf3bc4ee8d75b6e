"""Whether an LLM provider answers and has the model, by its list of models. Costs no tokens and imports no client."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.client import HTTPException
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote, urlsplit, urlunsplit

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
from tools.errors import ConfigurationError, closest

TIMEOUT = 5.0
"""Seconds."""
_LONGEST_LIST = 8 * 2**20
"""Bytes."""
_SHOWN = 5
"""Models that are named where the one that is wanted is not there."""
_AWAY = (502, 503, 504)
"""What a proxy answers for a server that is not there."""


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


Verdict = Literal["known", "unknown", "unsure", "unasked", "refused", "away"]


@dataclass(frozen=True)
class PingResult:
    """How the provider answered. `reachable` is None where it cannot be asked for free."""

    reachable: bool | None
    detail: str
    remedy: str = ""
    verdict: Verdict = "unasked"
    """What it means for a study. 'unknown': the server does not have the model; 'refused': the key or the account is
    at fault; 'away': nothing answers; 'unsure': a person should look at it; 'unasked': there is no list of models."""


def ping(model: str, base_url: str | None, timeout: float = TIMEOUT, *, unlisted: bool = False) -> PingResult:
    """Ask the provider of `model` ('provider:model') for its list of models.

    Args:
        model: its provider's key is read from the environment, and sent only to that provider.
        base_url: a server that speaks the provider's protocol, asked instead.
        timeout: seconds until the provider counts as unreachable.
        unlisted: whether the server takes models that it does not list.
    """
    provider, name = provider_of(model), model.partition(":")[2]
    endpoint = _ENDPOINTS.get(provider)
    if endpoint is None:
        return PingResult(None, f"{model}: {provider} has no check that costs nothing")
    try:
        server = server_of(LLMConfig(model=model, base_url=base_url))
    except ConfigurationError as error:
        return PingResult(False, f"{model}: {error}", verdict="refused")
    own = server.address if server else None
    where = (server.variable if server else "") or "--llm-base-url"
    variables = KEY_VARIABLES.get(provider, ())
    key = key_of(provider)
    if key is None and variables and not own:
        return PingResult(False, f"{model}: no key", f"set {' or '.join(variables)}", "refused")
    base = own or endpoint.base
    try:
        shown = mask(_joined(base, endpoint.path))
        request = _request(base, endpoint, endpoint.path, key)
        answer = within(timeout, lambda: _ask(request, timeout))
    except urllib.error.HTTPError as error:
        return _refusal(model, shown, error, where, variables)
    except (OSError, HTTPException, ValueError, CallTimeout) as error:
        reason = mask(str(getattr(error, "reason", error)))
        remedy = f"start the server, or check {where}" if own else "check the network or its proxy"
        said = f"{model}: no answer from {mask(base)}: {reason}"
        return PingResult(False, said, remedy, _silence(error))
    try:
        listed = _names(json.loads(answer))
    except (ValueError, RecursionError):
        return PingResult(
            False, f"{model}: no answer from {shown} that is a list of models", f"check {where}"
        )
    if not listed or any(_matches(name, each) for each in listed):
        return PingResult(True, f"{model} at {shown}", verdict="known" if listed else "unasked")
    if b'"llamacpp"' in answer:  # llama.cpp has one model, and answers to any name
        return PingResult(True, f"{model} at {shown}, which has only {', '.join(listed)}", verdict="known")
    lookup = _request(base, endpoint, _path_of_one(endpoint, name), key)
    known = _has_model(lookup, timeout)
    if known:
        return PingResult(True, f"{model} at {shown}", verdict="known")
    near = ", ".join(_nearest(name, listed)) + (", …" if len(listed) > _SHOWN else "")
    detail, remedy = f"{model}: {shown} answers, but does not list {name}", f"it lists: {near}"
    if unlisted:
        return PingResult(True, detail, remedy, "unasked")
    # A provider may know more names than it lists (aliases), and says so; a server of your own has what it lists.
    verdict: Verdict = "unknown" if own or known is False else "unsure"
    return PingResult(verdict == "unsure", detail, remedy, verdict)


def _refusal(
    model: str, shown: str, error: urllib.error.HTTPError, where: str, variables: tuple[str, ...]
) -> PingResult:
    """What it means that the list of models is refused: many gateways have none, and some keys may not read it."""
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
    verdict: Verdict = "unasked"
    if error.code in _AWAY:
        verdict = "away"
    elif kind == "quota" or (kind == "authentication" and error.code != 403):
        verdict = "refused"
    return PingResult(
        False, f"{model}: {shown} {what} {suffix}", remedies.get(kind, "try again later"), verdict
    )


def _silence(error: Exception) -> Verdict:
    """Whether nobody is there, or somebody who is only slow, or whose certificate only this check does not know."""
    reason = getattr(error, "reason", None)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "unsure"
    connected = isinstance(error, CallTimeout) or (isinstance(error, TimeoutError) and reason is None)
    return "unsure" if connected else "away"


def _has_model(request: urllib.request.Request, timeout: float) -> bool | None:
    """Whether the server has the one model that is asked for; None where it does not say."""
    try:
        within(timeout, lambda: _ask(request, timeout))
    except urllib.error.HTTPError as error:
        return False if error.code == 404 else None
    except (OSError, HTTPException, ValueError, CallTimeout):
        return None
    return True


def _path_of_one(endpoint: _Endpoint, name: str) -> str:
    return f"{endpoint.path.partition('?')[0]}/{quote(name, safe='/')}"


def _matches(name: str, listed: str) -> bool:
    """Whether `listed` is the model: as it is, with a tag (Ollama), or as a pattern (LiteLLM)."""
    return name == listed or listed.startswith(f"{name}:") or ("*" in listed and fnmatchcase(name, listed))


def _nearest(name: str, listed: set[str]) -> list[str]:
    """Some of the models of a server, those first whose names are most like `name`."""
    near = closest(name, sorted(listed), most=_SHOWN)
    return [*near, *sorted(listed - set(near))][:_SHOWN]


def _joined(base: str, path: str) -> str:
    """The address of `path` under `base`, with the query of both."""
    address, (path, _, query) = urlsplit(base), path.partition("?")
    both = "&".join(filter(None, (address.query, query)))
    return urlunsplit(address._replace(path=address.path.rstrip("/") + path, query=both, fragment=""))


def _request(base: str, endpoint: _Endpoint, path: str, key: str | None) -> urllib.request.Request:
    """The request with its credentials, which a redirect does not carry to another server."""
    address = urlsplit(_joined(base, path))
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


def _ask(request: urllib.request.Request, timeout: float) -> bytes:
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read(_LONGEST_LIST)


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
