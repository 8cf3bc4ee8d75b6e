"""What servers were seen to do wrong, one line each, in both protocols: what is sent, and what must come of it."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

from tests.loopback.replies import Answer, Bytes, CutOff, Drop, Failure, Hang, Raw, Reply, ToolCall

PROPOSAL = {
    "hypothesis": "Lighting varies.",
    "expected_gain": 0.5,
    "policy": [
        {"name": "rotate", "probability": 0.5, "parameters": [{"name": "degrees", "value": 10}]},
        {"name": "horizontal_flip", "probability": 0.5, "parameters": []},
    ],
}
TEXT = json.dumps(PROPOSAL)
TRANSIENT = {"rate_limit", "server", "timeout", "connection", "protocol"}
PAGE = "<!doctype html><html><head><title>{}</title></head><body>" + "<p>sorry</p>" * 99 + "</body></html>"
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Row:
    """One fault in one protocol."""

    name: str
    provider: str
    reply: Reply
    outcome: str
    """A kind of fault; 'proposal' where the answer is good all the same; 'malformed' where it is an unusable answer."""

    @property
    def id(self) -> str:
        return f"{self.provider}: {self.name}"


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


def _good(provider: str) -> bytes:
    body = (completion() if provider == "openai" else candidate()).body
    return body if isinstance(body, bytes) else body.encode()


def _packed(provider: str) -> bytes:
    return gzip.compress(_good(provider))


def _in_both(provider: str) -> list[tuple[str, Reply, str]]:
    good = _good(provider)
    length = b"Content-Length: %d\r\n\r\n"
    gzipped = {"Content-Encoding": "gzip"}
    bomb = gzip.compress(b'{"a": "' + b"x" * (200 * 2**20) + b'"}', 6)
    return [
        ("400 without a reason", Failure(400), "refused_request"),
        ("401", Failure(401), "authentication"),
        ("402", Failure(402), "quota"),
        ("403", Failure(403), "authentication"),
        ("404", Failure(404), "model_not_found"),
        ("405", Failure(405), "refused_request"),
        ("408", Failure(408), "timeout"),
        ("409", Failure(409), "server"),
        ("413", Failure(413), "context_length"),
        ("422", Failure(422), "refused_request"),
        ("425", Failure(425), "server"),
        ("429", Failure(429), "rate_limit"),
        ("500", Failure(500), "server"),
        ("501", Failure(501), "server"),
        ("503", Failure(503), "server"),
        ("504", Failure(504), "timeout"),
        ("529", Failure(529), "server"),
        ("502 as a web page", Raw(PAGE.format("502 Bad Gateway"), "text/html", 502), "server"),
        ("401 as a web page", Raw(PAGE.format("Sign in"), "text/html", 401), "authentication"),
        ("403 without a body", Raw("", status=403), "authentication"),
        ("500 without a body", Raw("", status=500), "server"),
        ("500 with a list", Raw("[]", status=500), "server"),
        ("500 with a string", Raw('"out of order"', status=500), "server"),
        ("500 with null", Raw('{"error": null}', status=500), "server"),
        ("500 in bytes that are no text", Raw(b"\xff\xfe\xfd\x00", status=500), "server"),
        ("301", Raw("", status=301, headers={"Location": "/elsewhere"}), "redirect"),
        ("302", Raw("", status=302, headers={"Location": "http://127.0.0.1:9/v1"}), "redirect"),
        ("307", Raw("", status=307, headers={"Location": "http://127.0.0.1:9/v1"}), "redirect"),
        ("308", Raw("", status=308, headers={"Location": "http://127.0.0.1:9/v1"}), "redirect"),
        ("304 without an address", Raw("", status=304), "redirect"),
        ("an empty body", Raw(""), "protocol"),
        ("null", Raw("null"), "protocol"),
        ("a list", Raw("[]"), "protocol"),
        ("a number", Raw("17"), "protocol"),
        ("a string", Raw('"busy"'), "protocol"),
        ("a web page", Raw(PAGE.format("Sign in to the Wi-Fi"), "text/html"), "protocol"),
        ("plain text", Raw("busy", "text/plain"), "protocol"),
        ("JSON that breaks off", Raw(good[:-30]), "protocol"),
        ("bytes that are no text", Raw(b"\xff\xfe\xfd" + good), "protocol"),
        ("nested a million levels deep", Raw("[" * 1_000_000), "protocol"),
        ("gzip", Raw(_packed(provider), headers=gzipped), "proposal"),
        ("gzip that is none", Raw(good, headers=gzipped), "protocol"),
        ("gzip that unpacks to 200 MB", Raw(bomb, headers=gzipped), "protocol"),
        ("a body without end", Bytes(HTTP + b"\r\n", b"x" * 2**20, times=2_000), "protocol"),
        ("a byte of the body at a time", Bytes(HTTP + length % 999, b" ", 0.05, 200), "timeout"),
        ("a byte of the headers at a time", Bytes(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.05, 200), "timeout"),
        ("headers and nothing else", Bytes(HTTP + length % 999, b"", 5, 1), "timeout"),
        ("no answer", Hang(), "timeout"),
        ("hung up", Drop(), "connection"),
        ("half of the body", CutOff(), "connection"),
        ("less than was announced", Bytes(HTTP + length % (len(good) + 9) + good), "connection"),
        ("a broken chunk", Bytes(HTTP + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"), "connection"),
        ("no HTTP at all", Bytes(b"SSH-2.0-OpenSSH_9.6\r\n"), "connection"),
        (
            "more headers than can be read",
            Bytes(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 40_000 + b"\r\n"),
            "connection",
        ),
        ("Retry-After that is no time", Failure(503, headers={"Retry-After": "soon"}), "server"),
        ("Retry-After that is no number", Failure(503, headers={"Retry-After": "NaN"}), "server"),
        ("Retry-After in the past", Failure(503, headers={"Retry-After": "-5"}), "server"),
        ("a refusal", Answer(refusal="I will not."), "malformed"),
        ("withheld by a filter", Answer("", finish="safety"), "malformed"),
        ("cut off at the limit", Answer(TEXT[:50], finish="length"), "malformed"),
        ("nothing said", Answer(""), "malformed"),
        ("no usage", Answer(TEXT, usage=False), "proposal"),
        ("half an emoji", Answer(TEXT.replace("Lighting", "\ud83d light")), "proposal"),
        ("control characters", Answer(TEXT.replace("Lighting", r"\u0000 \u001b[31m light")), "proposal"),
        ("five million braces", Answer("{" * 5_000_000), "malformed"),
        ("a call of a tool that there is not", Answer(tool_calls=(ToolCall("run_shell", {}),)), "malformed"),
    ]


_OPENAI: list[tuple[str, Reply, str]] = [
    ("no quota left", openai_error(429, type="insufficient_quota", code="insufficient_quota"), "quota"),
    ("hard limit", openai_error(400, code="billing_hard_limit_reached"), "quota"),
    ("no credit (Anthropic)", openai_error(400, "Your credit balance is too low", type="invalid_request_error"), "quota"),
    ("no credit (OpenRouter, in a 200)", Raw('{"error": {"message": "no", "code": 402}}'), "quota"),
    ("a limit of requests", openai_error(429, type="requests", code="rate_limit_exceeded"), "rate_limit"),
    ("a wrong key", openai_error(401, code="invalid_api_key"), "authentication"),
    ("a model that is gone (Groq)", openai_error(400, code="model_decommissioned"), "model_not_found"),
    ("a wrong model", openai_error(404, code="model_not_found"), "model_not_found"),
    ("a model that is not pulled (Ollama)", Raw('{"error": "model \\"m\\" not found"}', status=404), "model_not_found"),
    ("too long", openai_error(400, code="context_length_exceeded", param="messages"), "context_length"),
    ("too long (llama.cpp)", openai_error(400, type="exceed_context_size_error", code=400), "context_length"),
    ("too long, in words", openai_error(400, "This model's maximum context length is 4096 tokens"), "context_length"),
    ("filtered (Azure)", openai_error(400, code="content_filter", innererror={"code": "x"}), "content_filter"),
    ("overloaded (Anthropic)", Raw('{"type": "error", "error": {"type": "overloaded_error"}}', status=529), "server"),
    ("a parameter (FastAPI)", Raw('{"detail": [{"loc": ["body", "seed"], "type": "extra_forbidden"}]}', status=422),
     "unsupported_parameter"),
    ("an error of the server in a 200", Raw('{"error": {"message": "no", "code": 503}}'), "server"),
    ("an error without a status in a 200", Raw('{"error": "no"}'), "protocol"),
    ("no choices", completion(choices=[]), "protocol"),
    ("choices are null", completion(choices=None), "protocol"),
    ("choices are missing", without(completion(), "choices"), "protocol"),
    ("choices are an object", completion(choices={}), "protocol"),
    ("a choice is null", completion(choices=[None]), "protocol"),
    ("a choice is text", completion(choices=["hello"]), "protocol"),
    ("a choice without a message", completion(choices=[{"index": 0}]), "protocol"),
    ("a message that is null", completion(choices=[{"index": 0, "message": None}]), "protocol"),
    ("a message that is text", completion("hello"), "protocol"),
    ("content that is null", completion({"role": "assistant", "content": None}), "malformed"),
    ("content that is missing", completion({"role": "assistant"}), "malformed"),
    ("content in parts", completion({"role": "assistant", "content": [{"type": "text", "text": TEXT}]}), "proposal"),
    ("thoughts in a part", completion({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "DRAFT"}, {"type": "text", "text": TEXT}]}), "proposal"),
    ("no role", completion({"content": TEXT}), "proposal"),
    ("a reason to finish that is new", completion(choices=[
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "tired"}]), "proposal"),
    ("arguments as an object", calling(PROPOSAL), "proposal"),
    ("arguments encoded twice", calling(json.dumps(TEXT)), "proposal"),
    ("arguments in a list", calling(json.dumps([PROPOSAL])), "proposal"),
    ("arguments in an object", calling(json.dumps({"arguments": PROPOSAL})), "proposal"),
    ("arguments that are null", calling(None), "malformed"),
    ("arguments that are empty", calling(""), "malformed"),
    ("arguments that are a number", calling("17"), "malformed"),
    ("arguments that are no JSON", calling(TEXT[:-9]), "malformed"),
    ("arguments with a lone surrogate", calling(TEXT.replace("Lighting", r"\ud83d light")), "proposal"),
    ("a name with a prefix", calling(TEXT, "functions.submit_proposal"), "proposal"),
    ("a name with a number", calling(TEXT, "functions.submit_proposal:0"), "proposal"),
    ("a name that is null", calling(TEXT, None), "malformed"),
    ("a call without a type or an id", calling(TEXT, type=None, id=None), "proposal"),
    ("a call that is null", completion({"role": "assistant", "content": TEXT, "tool_calls": [None]}), "proposal"),
    ("calls that are null", completion({"role": "assistant", "content": TEXT, "tool_calls": None}), "proposal"),
    ("a call without a function", completion({"role": "assistant", "content": TEXT, "tool_calls": [{"id": "c"}]}), "proposal"),
    ("a call as text", completion({"role": "assistant", "content":
        f"<tool_call>{json.dumps({'name': 'submit_proposal', 'arguments': PROPOSAL})}</tool_call>"}), "proposal"),
    ("usage that is text", completion(usage="many"), "proposal"),
    ("usage in text", completion(usage={"prompt_tokens": "10", "completion_tokens": "10"}), "proposal"),
    ("usage that is null", completion(usage={"prompt_tokens": None, "completion_tokens": None}), "proposal"),
    ("usage below zero", completion(usage={"prompt_tokens": -1, "completion_tokens": 5, "total_tokens": 4}), "proposal"),
    ("no model", without(completion(), "model"), "proposal"),
    ("no id", without(completion(), "id"), "proposal"),
    ("a byte-order mark", Raw(b"\xef\xbb\xbf" + _good("openai")), "proposal"),
]  # fmt: skip

_GEMINI: list[tuple[str, Reply, str]] = [
    ("a limit for a minute", google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your "
     "plan and billing details", quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")), "rate_limit"),
    ("a limit without details", google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota"), "rate_limit"),
    ("a limit for a day", google_error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota",
     quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")), "quota"),
    ("a limit of nothing", google_error(429, "RESOURCE_EXHAUSTED", "no", quota("RequestsPerMinute", "0")), "quota"),
    ("a wrong key", google_error(400, "INVALID_ARGUMENT", "no", info("API_KEY_INVALID")), "authentication"),
    ("a key that has expired", google_error(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key."),
     "authentication"),
    ("an interface that is switched off", google_error(403, "PERMISSION_DENIED", "no", info("SERVICE_DISABLED")),
     "authentication"),
    ("billing that is switched off", google_error(403, "PERMISSION_DENIED", "no", info("BILLING_DISABLED")), "quota"),
    ("a wrong model", google_error(404, "NOT_FOUND"), "model_not_found"),
    ("too long", google_error(400, "INVALID_ARGUMENT", "The input token count exceeds the maximum number of tokens allowed"),
     "context_length"),
    ("overloaded", google_error(503, "UNAVAILABLE", "The model is overloaded."), "server"),
    ("too late", google_error(504, "DEADLINE_EXCEEDED"), "timeout"),
    ("an error in a list", Raw(json.dumps([json.loads(google_error(429, "RESOURCE_EXHAUSTED").body)]), status=429),
     "rate_limit"),
    ("the prompt is blocked", Raw('{"promptFeedback": {"blockReason": "SAFETY"}}'), "malformed"),
    ("an empty object", Raw("{}"), "malformed"),
    ("no candidates", candidate(candidates=[]), "malformed"),
    ("candidates are null", candidate(candidates=None), "malformed"),
    ("candidates are an object", candidate(candidates={}), "protocol"),
    ("a candidate is null", candidate(candidates=[None]), "protocol"),
    ("a candidate without content", candidate(candidates=[{"finishReason": "STOP"}]), "malformed"),
    ("content without parts", candidate(candidates=[{"content": {"role": "model"}, "finishReason": "STOP"}]), "malformed"),
    ("parts are null", candidate(candidates=[{"content": {"parts": None}, "finishReason": "STOP"}]), "malformed"),
    ("a part is null", candidate([None]), "protocol"),
    ("a part is empty", candidate([{}, {"text": TEXT}]), "proposal"),
    ("a part that was thought", candidate([{"text": "DRAFT", "thought": True}, {"text": TEXT}]), "proposal"),
    ("a part of a new kind", candidate([{"hologram": {"a": 1}}, {"text": TEXT}]), "proposal"),
    ("a reason to finish that is new", candidate(candidates=[
        {"content": {"parts": [{"text": TEXT}]}, "finishReason": "TIRED"}]), "proposal"),
    ("a malformed call", candidate(candidates=[{"content": {}, "finishReason": "MALFORMED_FUNCTION_CALL"}]), "malformed"),
    ("a call without arguments", candidate([{"functionCall": {"name": "submit_proposal"}}]), "malformed"),
    ("a call without a name", candidate([{"functionCall": {"args": PROPOSAL}}]), "malformed"),
    ("arguments that are null", candidate([{"functionCall": {"name": "submit_proposal", "args": None}}]), "malformed"),
    ("arguments that are text", candidate([{"functionCall": {"name": "submit_proposal", "args": TEXT}}]), "protocol"),
    ("arguments in an object", candidate([{"functionCall": {"name": "submit_proposal", "args": {"proposal": PROPOSAL}}}]),
     "proposal"),
    ("a name with a prefix", candidate([{"functionCall": {"name": "default_api.submit_proposal", "args": PROPOSAL}}]),
     "proposal"),
    ("usage that is null", candidate(usageMetadata=None), "proposal"),
    ("usage that is text", candidate(usageMetadata="many"), "protocol"),
]  # fmt: skip

ROWS = [
    Row(name, provider, reply, outcome)
    for provider, own in (("openai", _OPENAI), ("google_genai", _GEMINI))
    for name, reply, outcome in (*_in_both(provider), *own)
]
