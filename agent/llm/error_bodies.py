"""Reads the error that a provider's server sent: its message, and the codes by which programs tell errors apart.

Every provider writes them elsewhere. OpenAI has `code`, `type` and `param`; Google has `status`, and `reason` and
quotas in its details; Anthropic has a `type` within `error`; vLLM, FastAPI, Ollama and OpenRouter have their own forms.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from agent.settings.secrets import mask
from tools.text import one_line

_CODE_FIELDS = ("code", "type", "status", "reason")
_MESSAGE_FIELDS = ("message", "msg", "detail", "error_description", "error")
_NESTED = ("error", "details", "detail", "innererror", "metadata", "message", "errors")
_DEEPEST = 6
_HTML_TITLE = re.compile(r"<(title|h1)[^>]{0,200}>([^<]{1,400})<", re.IGNORECASE)
_LONGEST_SCANNED = 20_000
_LONGEST_SHOWN = 400
_DAY = re.compile(r"per_?day|daily", re.IGNORECASE)


@dataclass(frozen=True)
class ErrorBody:
    """What a server said about an error."""

    message: str
    """Empty where it said nothing."""
    codes: frozenset[str]
    """In lower case, from every field that holds codes."""
    param: str | None
    """The parameter that is at fault."""
    status: int | None
    """HTTP status, where it is in the body: some gateways send errors with the status 200."""
    used_up: bool
    """Whether a quota of a whole day, or one of nothing at all, is used up: waiting a minute does not help."""
    retry_delay: str | None
    """Google's way of saying Retry-After, such as '30s'."""


def error_body(chain: Sequence[BaseException]) -> ErrorBody:
    """What the server said, from the first error of `chain` that holds an answer."""
    for error in chain:
        found = _body_of(error)
        if found is not None:
            return read_error(found)
    return ErrorBody("", frozenset(), None, None, False, None)


def shown(text: str) -> str:
    """A server's message on one line, without secrets and markup, shortened."""
    text = text[:_LONGEST_SCANNED]
    if "<html" in text.lower() or "<!doctype" in text.lower():
        title = _HTML_TITLE.search(text)
        text = f"a web page{f', titled {title[2].strip()!r}' if title else ''}"
    return one_line(mask(text), _LONGEST_SHOWN).removesuffix(".")


def _body_of(error: BaseException) -> Any:
    """The parsed body that a client keeps with its error; a ValueError may hold the error of a 200."""
    candidates = [getattr(error, "body", None), getattr(error, "details", None)]
    candidates += [item for item in error.args if isinstance(item, dict)]
    for body in candidates:
        if isinstance(body, list) and body and isinstance(body[0], dict):
            body = body[0]
        if isinstance(body, dict) and body:
            return body
        if isinstance(body, str) and body.strip():
            try:
                return json.loads(body)
            except (ValueError, RecursionError):
                return {"message": body}
    return None


def read_error(body: Any) -> ErrorBody:
    """What the parsed body of an error says."""
    objects = list(_objects(body, 0))
    codes: set[str] = set()
    param = status = delay = None
    used_up = False
    for each in objects:
        for name in _CODE_FIELDS:
            value = each.get(name)
            if isinstance(value, str) and len(value) <= 100:
                codes.add(value.strip().lower())
        if isinstance(number := each.get("code"), int | str) and re.fullmatch(r"[1-5]\d\d", str(number)):
            status = status or int(number)
        param = param or _param_of(each)
        delay = delay or each.get("retryDelay")
        used_up = used_up or _is_used_up(each)
    return ErrorBody(shown(_message(objects)), frozenset(codes), param, status, used_up, delay)


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The error and the objects within it, outermost first."""
    if isinstance(value, list):
        for item in value[:20]:
            yield from _objects(item, depth + 1)
    elif isinstance(value, dict) and depth <= _DEEPEST:
        yield value
        for name in (*_NESTED, "fieldViolations", "violations", "raw"):
            nested = value.get(name)
            if isinstance(nested, str) and nested.lstrip().startswith("{"):  # a gateway quotes the provider
                try:
                    nested = json.loads(nested)
                except (ValueError, RecursionError):
                    continue
            if isinstance(nested, dict | list):
                yield from _objects(nested, depth + 1)


def _message(objects: Sequence[dict[str, Any]]) -> str:
    for each in objects:
        for name in _MESSAGE_FIELDS:
            value = each.get(name)
            if isinstance(value, str) and value.strip():
                return value
    return ""


def _param_of(each: dict[str, Any]) -> str | None:
    if isinstance(param := each.get("param"), str) and param:
        return param
    if isinstance(place := each.get("loc"), list):  # pydantic's errors, as FastAPI sends them
        return ".".join(map(str, place))
    return None


def _is_used_up(each: dict[str, Any]) -> bool:
    """Whether this is one of Google's quota violations for a day, or of a quota that is zero."""
    names = f"{each.get('quotaId', '')} {each.get('quotaMetric', '')}"
    return bool(each.get("quotaId")) and bool(_DAY.search(names) or str(each.get("quotaValue")) == "0")
