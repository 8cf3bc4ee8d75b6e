"""Keeps keys out of every text that leaves the process: errors, logs, traces."""

import os
import re

MASK = "[hidden]"
_SECRET_VARIABLE = re.compile(r"(_API_KEY|_ACCESS_KEY|_SECRET|_SECRET_KEY|_TOKEN|_PASSWORD)$")
_SECRET_NAME = re.compile(r"(^|[_.-])(key|secret|password|passwd|token|credentials?)$", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""A shorter value ('none', 'EMPTY') is a placeholder; masking it would hide ordinary words."""
_KEY_SHAPES = re.compile(r"\bsk-[\w*.-]{6,}|\bAIza[\w-]{20,}|(?<=://)[^/\s:@?#]+:[^/\s?#]+(?=@)")
"""OpenAI's keys (which it repeats, half masked, in its errors), Google's, and passwords in addresses."""
_OTHER_SECRETS = (
    (re.compile(r"(?<=://)[^/\s?#]+(?=@)"), MASK),
    (
        re.compile(
            r"([?&;][\w.-]{0,40}(?:key|token|secret|password|passwd|pwd|signature|sig|auth|credentials?|code)=)[^&\s#]+",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(?:pk|rk|gsk|xai|hf|nvapi)[-_][\w-]{12,}"), MASK),
)
"""Tokens in addresses and headers, and the keys of other providers: too broad for the text of a conversation."""


def redact(text: str) -> str:
    """`text` without the value of any key in the environment, or anything that has the shape of one."""
    values = {
        value
        for name, value in os.environ.items()
        if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST_SECRET
    }
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    return _KEY_SHAPES.sub(MASK, text)


def mask(text: str) -> str:
    """As `redact`, for settings and addresses: also user:password@, ?key=…, bearer tokens and other keys."""
    text = redact(text)
    for pattern, replacement in _OTHER_SECRETS:
        text = pattern.sub(replacement, text)
    return text


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret."""
    return _SECRET_NAME.search(name) is not None
