"""What can go wrong in a call: temporary (worth a retry), permanent, or an unusable answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from agent.llm.error_bodies import error_body, shown
from agent.llm.fault_kinds import FaultKind, kind_of
from agent.llm.wire_errors import AnswerTooLong, CallTimeout, NotInProtocol
from agent.settings.secrets import mask
from tools.errors import AugurError

_TRANSIENT: frozenset[FaultKind] = frozenset({"rate_limit", "server", "timeout", "connection", "protocol"})
LONGEST_WAIT = 300.0
"""Seconds. Where a server asks to wait longer, the call fails at once."""

_WHAT_TO_DO: dict[FaultKind, str] = {
    "rate_limit": "Too many requests for this provider: wait, lower llm.requests_per_minute, or raise llm.retries.",
    "quota": "The account has no credit or quota left: top it up, wait for its next quota, or use another model.",
    "server": "The provider has a problem: try again later, and see its status page.",
    "timeout": "No answer within llm.timeout ({timeout:g} s): raise it, or use a faster model.",
    "connection": "The connection failed: check the network, the proxy and llm.base_url{where}.",
    "authentication": "The key is wrong or has expired, or may not use this model: check the environment variable.",
    "model_not_found": "The server does not know {model}: check llm.model and llm.base_url{where}.",
    "context_length": "The request is longer than the model takes: use a model with a longer context, lower "
    "llm.max_tokens or llm.max_tool_calls, or set llm.vision to off.",
    "content_filter": "The provider's filter refused the request: use another model, or other words in the data card.",
    "unsupported_parameter": "The server does not take a parameter that it needs to be sent: check llm.mode, "
    "llm.temperature and llm.max_tokens, or use another model.",
    "refused_request": "The server refused the request: check llm.mode, llm.temperature and llm.max_tokens.",
    "redirect": "The server sends on to another address, which Augur does not follow, because the key would go there "
    "as well: set llm.base_url{where} to the address of the server itself.",
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
    param: str | None = None
    """The parameter that the server names as the cause."""

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
        where = f" ({mask(base_url)})" if base_url else ""
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


def fault_of(error: Exception) -> Fault:
    """What `error`, raised by a provider's client while it made a call, means.

    Judged by the server's codes, the HTTP status and the names of the classes in the chain of causes, so that it works
    for the clients of all providers without importing them. An error that is none of these (a client that stumbles over
    an answer without choices, say) is a fault of the protocol: whatever happened, there is no answer.
    """
    chain = list(_causes(error))
    body = error_body(chain)
    status = _status(chain) or body.status
    if status == 200:
        status = body.status
    text = body.message or _described(chain)
    if target := _redirect_target(chain):
        text = f"a redirect to {target}"
    kind = kind_of(chain, status, body, text)
    return Fault(kind, status, text, _retry_after(chain, body.retry_delay), body.param)


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _status(chain: Sequence[BaseException]) -> int | None:
    for error in chain:
        for name in ("status_code", "code"):
            value = getattr(error, name, None)
            if isinstance(value, int) and 100 <= int(value) < 600:
                return int(value)
    return None


def _described(chain: Sequence[BaseException]) -> str:
    """What the outermost error says, and the innermost where that says more ('Connection error' says nothing)."""
    for error in chain:
        if isinstance(error, AnswerTooLong | CallTimeout | NotInProtocol):
            return shown(str(error))
    outer, inner = chain[0], chain[-1]
    if not isinstance(outer, OSError) and type(outer).__module__ == "builtins":
        return shown(f"{type(outer).__name__}: {outer}")
    text = shown(str(outer)) or type(outer).__name__
    cause = shown(str(inner))
    return text if inner is outer or not cause or cause in text else f"{text}: {cause}"


def _redirect_target(chain: Sequence[BaseException]) -> str | None:
    for error in chain:
        response: Any = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(status, int) and 300 <= status < 400 and (place := response.headers.get("location")):
            return shown(place)
    return None


def _retry_after(chain: Sequence[BaseException], retry_delay: str | None) -> float | None:
    for error in chain:
        headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
        if (value := headers.get("retry-after")) is not None:
            return _seconds(value)
    return None if retry_delay is None else _seconds(str(retry_delay).removesuffix("s"))


def _seconds(value: str) -> float | None:
    """The seconds of a Retry-After, given as a number or an HTTP date (RFC 9110, 10.2.3); None for anything else."""
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return max(0.0, seconds) if seconds == seconds else None
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
