"""The two wire protocols: reads a request into what matters, and writes a reply as the provider would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.loopback.replies import Answer, Failure

CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Ask:
    """What a request asks, whatever its protocol."""

    model: str
    conversation: str
    """System words and messages as canonical JSON: the same conversation gives the same text."""
    system: str
    last_user_text: str
    tools: tuple[str, ...]
    forced_tool: str | None
    wants_json: bool
    tool_results: int
    images: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of each tool, its JSON schema (OpenAI)."""


class OpenAI:
    """POST …/chat/completions."""

    name = "openai"

    @staticmethod
    def read(path: str, body: dict[str, Any]) -> Ask:
        messages = body["messages"]
        choice = body.get("tool_choice")
        texts = [(message["role"], _openai_text(message.get("content"))) for message in messages]
        return Ask(
            model=body["model"],
            conversation=json.dumps(_without_ids(messages), sort_keys=True),
            system="\n".join(text for role, text in texts if role in ("system", "developer")),
            last_user_text=next((text for role, text in reversed(texts) if role == "user"), ""),
            tools=tuple(tool["function"]["name"] for tool in body.get("tools", ())),
            forced_tool=choice["function"]["name"] if isinstance(choice, dict) else None,
            wants_json=body.get("response_format", {}).get("type") in ("json_schema", "json_object"),
            tool_results=sum(message["role"] == "tool" for message in messages),
            images=sum(
                part.get("type") == "image_url"
                for message in messages
                if isinstance(message.get("content"), list)
                for part in message["content"]
            ),
            parameters={
                tool["function"]["name"]: tool["function"]["parameters"] for tool in body.get("tools", ())
            },
        )

    @staticmethod
    def write(ask: Ask, answer: Answer, number: int) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text or None,
            "refusal": answer.refusal,
        }
        if answer.tool_calls:
            message["tool_calls"] = [
                {
                    "id": f"call_{number}_{index}",
                    "type": "function",
                    "function": {
                        "name": call.name,
                        "arguments": call.arguments
                        if isinstance(call.arguments, str)
                        else json.dumps(call.arguments),
                    },
                }
                for index, call in enumerate(answer.tool_calls)
            ]
        finish = {"stop": "stop", "length": "length", "safety": "content_filter"}[answer.finish]
        body: dict[str, Any] = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": 1_760_000_000,
            "model": ask.model,
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if answer.tool_calls and finish == "stop" else finish,
                    "logprobs": None,
                }
            ],
        }
        if answer.usage:
            prompt, completion = _tokens(ask, answer)
            completion += answer.reasoning_tokens
            body["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
                "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            }
        return body

    @staticmethod
    def failure(failure: Failure) -> dict[str, Any]:
        return {
            "error": {
                "message": failure.message,
                "type": failure.code or "error",
                "param": None,
                "code": failure.code,
            }
        }


class Gemini:
    """POST …/models/MODEL:generateContent."""

    name = "gemini"
    _ANY = 2
    """FunctionCallingConfig.Mode.ANY: the client sends enumerations as numbers."""
    _STATUS = {  # noqa: RUF012
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        500: "INTERNAL",
        503: "UNAVAILABLE",
    }

    @classmethod
    def read(cls, path: str, body: dict[str, Any]) -> Ask:
        contents = body["contents"]
        parts = [(content.get("role"), part) for content in contents for part in content["parts"]]
        system = "\n".join(
            part.get("text", "") for part in body.get("systemInstruction", {}).get("parts", ())
        )
        declared = [
            declaration["name"]
            for tool in body.get("tools", ())
            for declaration in tool.get("functionDeclarations", ())
        ]
        calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
        allowed = calling.get("allowedFunctionNames", [])
        must_call = calling.get("mode") in ("ANY", cls._ANY)
        forced = allowed[0] if must_call and len(allowed) == 1 else None
        user = [part["text"] for role, part in parts if role == "user" and "text" in part]
        return Ask(
            model=path.rsplit("/", 1)[-1].partition(":")[0],
            conversation=json.dumps([system, contents], sort_keys=True),
            system=system,
            last_user_text=user[-1] if user else "",
            tools=tuple(declared),
            forced_tool=forced,
            wants_json=body.get("generationConfig", {}).get("responseMimeType") == "application/json",
            tool_results=sum("functionResponse" in part for _, part in parts),
            images=sum("inlineData" in part for _, part in parts),
        )

    @staticmethod
    def write(ask: Ask, answer: Answer, number: int) -> dict[str, Any]:
        finish = {"stop": "STOP", "length": "MAX_TOKENS", "safety": "SAFETY"}[answer.finish]
        text = answer.refusal or answer.text
        parts: list[dict[str, Any]] = [{"text": text}] if text else []
        parts += [{"functionCall": {"name": call.name, "args": call.arguments}} for call in answer.tool_calls]
        body: dict[str, Any] = {
            "candidates": [
                {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}
            ],
            "modelVersion": ask.model,
        }
        if answer.usage:
            prompt, completion = _tokens(ask, answer)
            body["usageMetadata"] = {
                "promptTokenCount": prompt,
                "candidatesTokenCount": completion,
                "totalTokenCount": prompt + completion + answer.reasoning_tokens,
                "cachedContentTokenCount": answer.cached_tokens,
                "thoughtsTokenCount": answer.reasoning_tokens,
            }
        return body

    @classmethod
    def failure(cls, failure: Failure) -> dict[str, Any]:
        details = []
        if failure.retry_delay:
            details = [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": failure.retry_delay}
            ]
        return {
            "error": {
                "code": failure.status,
                "message": failure.message,
                "status": cls._STATUS.get(failure.status, "UNKNOWN"),
                "details": details,
            }
        }


def _openai_text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content)
    return content or ""


def _without_ids(value: Any) -> Any:
    """Ids of calls count up over the life of a server; the conversation is the same without them."""
    if isinstance(value, dict):
        return {key: _without_ids(item) for key, item in value.items() if key not in ("id", "tool_call_id")}
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    return value


def _tokens(ask: Ask, answer: Answer) -> tuple[int, int]:
    said = answer.text + "".join(
        call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
        for call in answer.tool_calls
    )
    return len(ask.conversation) // CHARACTERS_PER_TOKEN + 1, len(said) // CHARACTERS_PER_TOKEN + 1
