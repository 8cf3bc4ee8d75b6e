"""One result of checking a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.datasets.splits.leaks import NAMED

Severity = Literal["right", "warning", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `unknown`: nothing published would tell."""

    check: str
    severity: Severity
    text: str
    details: tuple[str, ...] = ()
    """Files, pairs, … by name: at most `NAMED`, and how many more."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """The same for programs, as JSON has it."""


def shortened(lines: Sequence[str]) -> tuple[str, ...]:
    """At most `NAMED` lines, and how many more."""
    if len(lines) <= NAMED:
        return tuple(lines)
    return (*lines[:NAMED], f"… and {len(lines) - NAMED:,} more")
