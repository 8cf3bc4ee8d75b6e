"""What passes between a provider's client and its server: one place that bounds it, for the clients of all providers.

An answer is read whole and at once, up to `LONGEST_BODY` bytes and until the deadline of the call. Redirects are
refused, because they could carry the key to another server. Parameters that the server refused are left out.
"""

import json
import time
from typing import Any

from agent.llm.error_bodies import shown
from agent.llm.refused import adapted, parameters_of, refused_by
from agent.llm.wire_errors import AnswerTooLong, CallTimeout, NotInProtocol
from agent.settings.config import LLMConfig

LONGEST_BODY = 16 * 2**20
"""Bytes of an answer, unpacked. A proposal has a few thousand."""
_STARTED = "augur_started"
_SHOWN_BYTES = 20_000


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
        body = bytes(whole)
        if 200 <= response.status_code < 300:
            body = in_protocol(body)
        response.stream = type(response)(200, content=body).stream


def in_protocol(body: bytes) -> bytes:
    """The body of an answer, in the form that its client reads.

    Servers that nearly speak OpenAI's protocol leave out the role, write arguments of a call as an object, or count
    tokens in words: the client would stumble over these, so they are written as it expects. Nothing that the model said
    is changed.

    Raises:
        NotInProtocol: it is no answer of either protocol, or an error under the status of a success.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        text = body[:_SHOWN_BYTES].decode(errors="replace")
        raise NotInProtocol(f"not JSON ({error}): {shown(text) or 'nothing'}") from None
    if not isinstance(data, dict):
        raise NotInProtocol(f"not a JSON object: {shown(str(data))}")
    for name in ("choices", "candidates"):
        if name in data and not _is_list_of_objects(data[name]):
            raise NotInProtocol(f"{name} is no list of objects: {shown(json.dumps(data[name]))}")
    if data.get("error") and not data.get("choices") and not data.get("candidates"):
        raise NotInProtocol({"error": data["error"]})
    if "candidates" in data or "choices" not in data:
        return body
    if not data["choices"]:
        raise NotInProtocol("choices is empty: the server answered without an answer")
    for choice in data["choices"]:
        if not isinstance(message := choice.get("message"), dict):
            raise NotInProtocol(f"a choice has no message: {shown(json.dumps(choice))}")
        if choice.get("error") and not message.get("content"):  # OpenRouter, where the model behind it failed
            raise NotInProtocol({"error": choice["error"]})
        message.setdefault("role", "assistant")
        if "tool_calls" in message:
            message["tool_calls"] = [
                _readable(call) for call in message["tool_calls"] or () if _is_call(call)
            ]
            if not message["tool_calls"]:
                del message["tool_calls"]
    if "usage" in data and not _is_usage(data["usage"]):
        del data["usage"]
    return json.dumps(data).encode()


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and isinstance(call.get("function"), dict)


def _readable(call: dict[str, Any]) -> dict[str, Any]:
    """The call with its arguments as the text of an object: what is not an object becomes the only field of one."""
    function = call["function"]
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            decoded = json.loads(arguments)
        except (ValueError, RecursionError):
            return call  # the client passes it on as text
        arguments = {} if decoded is None else decoded
        if isinstance(arguments, dict):
            return call
    if arguments is not None and not isinstance(arguments, dict):
        arguments = {"arguments": arguments}
    return {**call, "function": {**function, "arguments": json.dumps(arguments or {})}}


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
