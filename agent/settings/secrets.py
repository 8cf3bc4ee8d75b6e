"""Keeps keys out of every text that leaves the process: errors, logs, traces."""

import os
import re

_SECRET_VARIABLE = re.compile(r"(_API_KEY|_ACCESS_KEY|_SECRET|_SECRET_KEY|_TOKEN|_PASSWORD)$")
_SHORTEST_SECRET = 6
"""A shorter value ('none', 'EMPTY') is a placeholder, and would blot out ordinary words."""
_KEY_SHAPES = re.compile(r"\bsk-[\w*.-]{6,}|\bAIza[\w-]{20,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
"""OpenAI's keys (which it repeats, half masked, in its errors), Google's, and passwords in addresses."""
MASK = "[hidden]"


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
