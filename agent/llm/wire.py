"""What passes between a provider's client and its server: one place that bounds it, for the clients of all providers.

An answer is read whole and at once, up to `LONGEST_BODY` bytes and until the deadline of the call. Redirects are
refused, because they could carry the key to another server. Parameters that the server refused are left out.
"""

import json
import time
from typing import Any

from agent.llm.refused import adapted, parameters_of, refused_by
from agent.llm.wire_errors import AnswerTooLong, CallTimeout
from agent.settings.config import LLMConfig

LONGEST_BODY = 16 * 2**20
"""Bytes of an answer, unpacked. A proposal has a few thousand."""
_STARTED = "augur_started"


class Wire:
    """The two hooks of an HTTP client (httpx, or its successor httpx2)."""

    def __init__(self, config: LLMConfig) -> None:
        self._config = config

    def client_settings(self) -> dict[str, Any]:
        """Arguments for the HTTP client."""
        hooks = {"request": [self._prepare], "response": [self._receive]}
        # Compressed answers are accepted in the forms that unpack in small steps.
        return {
            "event_hooks": hooks,
            "follow_redirects": False,
            "headers": {"accept-encoding": "gzip, deflate"},
        }

    def _prepare(self, request: Any) -> None:
        request.extensions[_STARTED] = time.monotonic()
        body = _json_object(request.read())
        if body is None:
            return
        refused = refused_by(self._config)
        changed = adapted(body, refused) if refused.renamed else body
        refused.sent = parameters_of(changed)
        if changed is not body:
            again = type(request)(request.method, request.url, json=changed)
            request.stream = again.stream
            request.headers["content-length"] = again.headers["content-length"]

    def _receive(self, response: Any) -> None:
        deadline = response.request.extensions[_STARTED] + self._config.timeout
        whole = bytearray()
        # A second response around the same stream unpacks it without the first one being marked as read.
        unpacked = type(response)(200, headers=response.headers, stream=response.stream)
        try:
            for part in unpacked.iter_bytes():
                whole += part
                if len(whole) > LONGEST_BODY:
                    raise AnswerTooLong(f"an answer of more than {LONGEST_BODY // 2**20} MiB was broken off")
                if time.monotonic() > deadline:
                    raise CallTimeout(f"the answer was not complete after {self._config.timeout:g} s")
        finally:
            unpacked.close()
        if response.headers.get("content-encoding"):
            del response.headers["content-encoding"]
        response.stream = type(response)(200, content=in_protocol(bytes(whole))).stream


def in_protocol(body: bytes) -> bytes:
    """The body with two habits of servers that nearly speak OpenAI's protocol in the form that its client reads.

    Arguments of a tool call as an object become the text of that object, and counts of tokens that are not numbers are
    left out (they are then estimated). Nothing that the model said is changed.
    """
    data = _json_object(body)
    if data is None or not isinstance(data.get("choices"), list):
        return body
    changed = False
    for choice in data["choices"]:
        message = choice.get("message") if isinstance(choice, dict) else None
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict) and isinstance(function.get("arguments"), dict | list):
                function["arguments"] = json.dumps(function["arguments"])
                changed = True
    if "usage" in data and not _is_usage(data["usage"]):
        del data["usage"]
        changed = True
    return json.dumps(data).encode() if changed else body


def _is_usage(usage: Any) -> bool:
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return usage is None or (
        isinstance(usage, dict)
        and all(type(usage.get(name)) is int and usage[name] >= 0 for name in names[:2])
        and all(type(usage.get(name, 0)) is int for name in names)
    )


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None
