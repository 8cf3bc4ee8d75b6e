"""What can go wrong in a call: temporary (worth a retry), permanent, or an unusable answer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from typing import Any, Literal

from agent.settings.secrets import redact
from tools.errors import AugurError

FaultKind = Literal[
    "rate_limit",
    "quota",
    "server",
    "timeout",
    "connection",
    "authentication",
    "model_not_found",
    "refused_request",
    "protocol",
]
_TRANSIENT: frozenset[FaultKind] = frozenset({"rate_limit", "server", "timeout", "connection", "protocol"})
LONGEST_WAIT = 300.0
"""Seconds. Where a server asks to wait longer, the call fails at once."""

_WHAT_TO_DO: dict[FaultKind, str] = {
    "rate_limit": "Too many requests for this provider: wait, lower llm.requests_per_minute, or raise llm.retries.",
    "quota": "The account has no credit or quota left: top it up, or use another model.",
    "server": "The provider has a problem: try again later, and see its status page.",
    "timeout": "No answer within llm.timeout ({timeout:g} s): raise it, or use a faster model.",
    "connection": "The connection failed: check the network, the proxy and llm.base_url{where}.",
    "authentication": "The key is wrong, or may not use this model: check the environment variable.",
    "model_not_found": "The server does not know {model}: check llm.model and llm.base_url{where}.",
    "refused_request": "The server refused the request: check llm.mode, llm.temperature and llm.max_tokens.",
    "protocol": "The answer is not in the provider's protocol: check llm.base_url{where} and llm.model.",
}


@dataclass(frozen=True)
class Fault:
    """One failed attempt."""

    kind: FaultKind
    status: int | None
    """HTTP status, where there was an answer."""
    text: str
    """The provider's message, without secrets, shortened."""
    retry_after: float | None
    """Seconds that the server asked us to wait."""

    @property
    def transient(self) -> bool:
        """Whether a retry may succeed, and soon enough."""
        return self.kind in _TRANSIENT and (self.retry_after or 0) <= LONGEST_WAIT

    @property
    def line(self) -> str:
        """For a log or a ledger."""
        status = f" {self.status}" if self.status else ""
        return f"{self.kind}{status}: {self.text}"


class TransportError(AugurError):
    """The model gave no answer, after all retries. The study ends cleanly and can be resumed."""

    resumable = True

    def __init__(self, fault: Fault, model: str, tries: int, timeout: float, base_url: str | None) -> None:
        self.fault = fault
        where = f" ({redact(base_url)})" if base_url else ""
        wait = (
            f" The server asks to wait {fault.retry_after:.0f} s."
            if (fault.retry_after or 0) > LONGEST_WAIT
            else ""
        )
        remedy = _WHAT_TO_DO[fault.kind].format(model=model, timeout=timeout, where=where)
        count = "1 try" if tries == 1 else f"{tries} tries"
        super().__init__(f"The model {model} gave no answer after {count}: {fault.line}.{wait} {remedy}")


class ContentFault(Exception):
    """The model answered, but its client found the answer unusable; the call still counts and costs."""

    def __init__(self, answer: str, reason: str, input_tokens: int = 0, output_tokens: int = 0) -> None:
        super().__init__(reason)
        self.answer = answer
        self.reason = reason
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _status(chain: list[BaseException]) -> int | None:
    for error in chain:
        for name in ("status_code", "code"):
            value = getattr(error, name, None)
            if isinstance(value, int) and 100 <= int(value) < 600:
                return int(value)
    return None


def _retry_after(chain: list[BaseException]) -> float | None:
    for error in chain:
        headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
        if (value := headers.get("retry-after")) is not None:
            return _seconds(value)
        for detail in _google_error(error).get("details") or ():  # google.rpc.RetryInfo
            if isinstance(detail, dict) and (delay := detail.get("retryDelay")):
                return _seconds(str(delay).removesuffix("s"))
    return None


def _google_error(error: BaseException) -> dict[str, Any]:
    """The error in the body of Google's answer; empty for other errors."""
    body = getattr(error, "details", None)
    found = body.get("error") if isinstance(body, dict) else None
    return found if isinstance(found, dict) else {}


def _text(chain: list[BaseException]) -> str:
    """The provider's message on one line, without the status and the code that its client adds."""
    google = next((found["message"] for error in chain if "message" in (found := _google_error(error))), None)
    text = redact(" ".join(str(google or chain[0]).split()))
    return re.sub(r"^Error code: \d{3} - ", "", text).removesuffix(".")


def _seconds(value: str) -> float | None:
    """The seconds of a Retry-After, given as a number or an HTTP date (RFC 9110, 10.2.3); None for anything else."""
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _kind(chain: list[BaseException], status: int | None, text: str) -> FaultKind | None:
    if status == 429:
        return "quota" if "insufficient_quota" in text else "rate_limit"
    if status in (401, 403) or (status == 400 and "api key not valid" in text.lower()):
        return "authentication"
    if status == 404:
        return "model_not_found"
    if status in (408, 504):
        return "timeout"
    if status is not None and status >= 400:
        return "server" if status >= 500 or status in (409, 425) else "refused_request"
    for error in chain:  # from the outermost: urllib3's refused connection is a kind of timeout
        names = " ".join(parent.__name__ for parent in type(error).__mro__)
        if "Timeout" in names:
            return "timeout"
        if any(part in names for part in ("Connect", "ProtocolError", "TransportError", "OSError")):
            return "connection"
    unreadable = any(isinstance(error, JSONDecodeError) for error in chain)
    if unreadable or isinstance(chain[0], ValueError | KeyError | TypeError | AttributeError):
        return "protocol"
    return None


def fault_of(error: Exception) -> Fault | None:
    """What `error`, raised by a provider's client, means; None where it has nothing to do with the provider.

    Judged by the HTTP status and the names of the classes in the chain of causes, so that it works for the clients of
    all providers without importing them.
    """
    chain = list(_causes(error))
    status = _status(chain)
    text = _text(chain)
    kind = _kind(chain, status, text)
    if kind is None:
        return None
    shown = text if len(text) <= 400 else text[:400] + "…"
    return Fault(kind, status, shown or type(error).__name__, _retry_after(chain))
