"""Bodies of answers and errors as providers write them, to be sent as they are or with a fault in one place."""

import json
from typing import Any

from tests.loopback.replies import Raw

PROPOSAL = {
    "hypothesis": "Lighting varies.",
    "expected_gain": 0.5,
    "policy": [
        {"name": "rotate", "probability": 0.5, "parameters": [{"name": "degrees", "value": 10}]},
        {"name": "horizontal_flip", "probability": 0.5, "parameters": []},
    ],
}
TEXT = json.dumps(PROPOSAL)


def openai_error(status: int, message: str = "no", **fields: Any) -> Raw:
    error = {"message": message, "type": None, "param": None, "code": None, **fields}
    return Raw(json.dumps({"error": error}), status=status)


def google_error(status: int, name: str, message: str = "no", *details: dict[str, Any]) -> Raw:
    error = {"code": status, "message": message, "status": name, "details": list(details)}
    return Raw(json.dumps({"error": error}), status=status)


def info(reason: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
    }


def quota(name: str, value: str = "50") -> dict[str, Any]:
    violation = {"quotaId": name, "quotaMetric": "generate_content_requests", "quotaValue": value}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def completion(message: Any = None, **fields: Any) -> Raw:
    """An answer in OpenAI's protocol, with fields of the body replaced."""
    message = {"role": "assistant", "content": TEXT} if message is None else message
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": usage,
    }
    return Raw(json.dumps({**body, **fields}))


def without(reply: Raw, name: str) -> Raw:
    body = json.loads(reply.body)
    del body[name]
    return Raw(json.dumps(body))


def calling(arguments: Any, name: Any = "submit_proposal", **fields: Any) -> Raw:
    call = {"id": "c", "type": "function", "function": {"name": name, "arguments": arguments}, **fields}
    return completion({"role": "assistant", "content": None, "tool_calls": [call]})


def candidate(parts: Any = None, **fields: Any) -> Raw:
    """An answer in Gemini's protocol, with fields of the body replaced."""
    parts = [{"text": TEXT}] if parts is None else parts
    content = {"role": "model", "parts": parts}
    body = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 10, "totalTokenCount": 20},
        "modelVersion": "m",
    }
    return Raw(json.dumps({**body, **fields}))
