"""What servers were seen to do wrong, one line each, in both protocols: what is sent, and what must come of it."""

import gzip
from dataclasses import dataclass

from tests.loopback.bodies import TEXT, candidate, completion
from tests.loopback.faults_gemini import GEMINI
from tests.loopback.faults_openai import OPENAI
from tests.loopback.replies import Answer, Bytes, CutOff, Drop, Failure, Hang, Raw, Reply, ToolCall

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


ROWS = [
    Row(name, provider, reply, outcome)
    for provider, own in (("openai", OPENAI), ("google_genai", GEMINI))
    for name, reply, outcome in (*_in_both(provider), *own)
]
