"""What the loopback server can be told to do with a request, in words that hold for both protocols."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: Mapping[str, Any] | str
    """As text, it goes out as it is: for arguments that are no JSON (OpenAI only; Gemini sends objects)."""


@dataclass(frozen=True)
class Answer:
    """The model answers: text, tool calls, or both."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str = "stop"
    """'stop', 'length' or 'safety'."""
    refusal: str | None = None
    usage: bool = True
    """Whether token counts are reported."""
    cached_tokens: int = 0
    """Part of the prompt's."""
    reasoning_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    """An HTTP error with the provider's kind of body."""

    status: int
    message: str = "the loopback server was told to fail"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    retry_delay: str | None = None
    """Google's way of saying Retry-After: a google.rpc.RetryInfo in the body, such as '1s'."""


@dataclass(frozen=True)
class Hang:
    """No answer until the server is closed."""


@dataclass(frozen=True)
class Drop:
    """The connection is closed without an answer."""


@dataclass(frozen=True)
class CutOff:
    """Headers and half of the body, then the connection is closed."""


@dataclass(frozen=True)
class Raw:
    """A body that is not in the protocol."""

    body: str | bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Bytes:
    """Bytes straight onto the connection, which is then closed: headers and all, or no HTTP at all."""

    first: bytes
    again: bytes = b""
    """Sent after every pause until the client hangs up, or `times` times."""
    pause: float = 0.0
    times: int = 0


Reply = Answer | Failure | Hang | Drop | CutOff | Raw | Bytes
