"""What kind of fault an error is: by the server's codes, then by the HTTP status; by words only where no code says."""

import re
from collections.abc import Sequence
from json import JSONDecodeError
from typing import Literal

from agent.llm.error_bodies import ErrorBody
from agent.llm.wire_errors import AnswerTooLong, CallTimeout, NotInProtocol

FaultKind = Literal[
    "rate_limit",
    "quota",
    "server",
    "timeout",
    "connection",
    "authentication",
    "model_not_found",
    "context_length",
    "content_filter",
    "unsupported_parameter",
    "refused_request",
    "redirect",
    "protocol",
]

_CODES: dict[FaultKind, str] = {
    "quota": "insufficient_quota billing_hard_limit_reached billing_not_active billing_error billing_disabled "
    "insufficient_credits insufficient_credit insufficient_balance insufficient_funds insufficient_user_quota "
    "credit_balance_too_low exceeded_current_quota_error payment_required budget_exceeded quota_exceeded "
    "usage_limit_reached spend_limit_exceeded out_of_credits daily_limit_exceeded",
    "authentication": "invalid_api_key incorrect_api_key api_key_invalid api_key_expired expired_api_key invalid_key "
    "unauthenticated permission_denied authentication_error permission_error invalid_authentication "
    "invalid_authentication_error account_deactivated token_expired access_token_expired unauthorized forbidden "
    "api_key_service_blocked service_disabled consumer_suspended api_key_ip_address_blocked autherror auth_error "
    "unsupported_country_region_territory organization_restricted",
    "model_not_found": "model_not_found deploymentnotfound not_found not_found_error notfounderror "
    "model_decommissioned model_not_available invalid_model unknown_model model_not_exist",
    "context_length": "context_length_exceeded context_window_exceeded exceed_context_size_error request_too_large "
    "contextwindowexceedederror context_too_long string_above_max_length tokens_limit_reached",
    "content_filter": "content_filter content_policy_violation responsibleaipolicyviolation "
    "contentpolicyviolationerror moderation_blocked content_filter_error data_inspection_failed prohibited_content",
    "unsupported_parameter": "unsupported_parameter unsupported_value unknown_parameter extra_forbidden "
    "unrecognized_parameter unsupportedparamserror unsupported_params",
    "rate_limit": "rate_limit_exceeded rate_limit_error ratelimiterror too_many_requests resource_exhausted "
    "rate_limited ratelimitexceeded rate_limit_reached tokens requests throttling_error",
    "timeout": "deadline_exceeded timeout timeout_error request_timeout",
    "server": "overloaded_error server_overloaded engine_overloaded engine_overloaded_error unavailable slow_down "
    "service_unavailable internal_server_error internal_error server_error api_error overloaded",
}
"""Kind → its codes, from the most specific kind to the least: a server may send several codes at once."""
_KIND_OF_CODE: dict[FaultKind, frozenset[str]] = {
    kind: frozenset(codes.split()) for kind, codes in _CODES.items()
}
_WORDS: dict[FaultKind, str] = {
    "quota": r"insufficient\W+(?:\w+\W+)?(?:credit|balance|quota|fund)|credit balance|(?:out of|no|more) credits?\b|"
    r"exceeded your current quota|billing|daily (?:limit|quota)",
    "authentication": r"api[ _-]?key|authenticat|unauthori[sz]ed",
    "context_length": r"context (?:length|window|size)|maximum context|too many (?:input )?tokens|prompt is too long|"
    r"exceeds? the (?:maximum|available) (?:number of tokens|context)",
    "content_filter": r"content (?:filter|management|policy)|safety (?:filter|system)",
    "model_not_found": r"\bmodel\b.{0,80}\b(?:not found|not exist|n't exist|unknown|not available)|no such model",
}
"""The last resort, in a request that the server refused without a code that says why."""
_CONNECTIONS = ("Connect", "ProtocolError", "TransportError", "NetworkError", "OSError", "ProxyError")


def kind_of(chain: Sequence[BaseException], status: int | None, body: ErrorBody, text: str) -> FaultKind:
    """The kind of the fault whose errors are `chain`, from the outermost; never none: there was no answer."""
    if body.used_up:
        return "quota"
    if status == 413:  # Groq, for one, calls a request that is too long a rate limit
        return "context_length"
    if (kind := _by_code(status, body)) is not None:
        return kind
    if status is not None and (kind := _by_status(status, text)) is not None:
        return kind
    return _by_class(chain)


def _by_code(status: int | None, body: ErrorBody) -> FaultKind | None:
    for kind, codes in _KIND_OF_CODE.items():
        if not body.codes & codes:
            continue
        # The same words name a status: 'not_found' of a 400 is what the request refers to, 'timeout' of a 429 a limit.
        if (
            kind in ("timeout", "server")
            and status is not None
            and status < 500
            and status not in (408, 409, 425)
        ):
            continue
        return kind
    return None


def _by_status(status: int, text: str) -> FaultKind | None:
    fixed: dict[int, FaultKind] = {402: "quota", 408: "timeout", 413: "context_length", 504: "timeout"}
    if status in fixed:
        return fixed[status]
    if status in (409, 425) or status >= 500:
        return "server"
    if 300 <= status < 400:
        return "redirect"
    if status < 400:
        return None
    worded: FaultKind | None = None
    for kind, words in _WORDS.items():
        if worded is None and re.search(words, text, re.IGNORECASE):
            worded = kind
    if status == 429:
        return "quota" if worded == "quota" else "rate_limit"
    if status in (401, 403):
        return worded if worded == "quota" or worded == "content_filter" else "authentication"
    if status == 404:
        return "model_not_found"
    return worded or "refused_request"


def _by_class(chain: Sequence[BaseException]) -> FaultKind:
    """From the outermost: urllib3's refused connection is a kind of timeout."""
    for error in chain:
        if isinstance(error, CallTimeout):
            return "timeout"
        if (
            isinstance(error, AnswerTooLong | NotInProtocol | JSONDecodeError)
            or type(error).__name__ == "DecodingError"
        ):
            return "protocol"
    for error in chain:
        names = [parent.__name__ for parent in type(error).__mro__]
        if any("Timeout" in name for name in names):
            return "timeout"
        if "TooManyRedirects" in names:
            return "redirect"
        if any(part in name for part in _CONNECTIONS for name in names):
            return "connection"
    return "protocol"
