"""Where a search starts: a few policies that practitioners use for a kind of images. Light: imports no torch."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from tools.policy.canonical import parse_one_line
from tools.policy.policy import Policy


@dataclass(frozen=True)
class Start:
    """A policy that is known to be usual."""

    name: str
    """In words."""
    policy: Policy
    source: str
    """Who uses it."""


def starts_for(modality: str) -> tuple[Start, ...]:
    """The usual policies for a kind of images, the default first; there is at least one for every kind."""
    return tuple(start for modalities, start in _table() if modality in modalities)


def default_policy(modality: str) -> Start:
    """The policy that a practitioner would begin with: a baseline of every study."""
    return starts_for(modality)[0]


@cache
def _table() -> tuple[tuple[frozenset[str], Start], ...]:
    rows = yaml.safe_load((files("tools.policy") / "starts.yaml").read_text(encoding="utf-8"))
    return tuple(
        (
            frozenset(row["modalities"].split()),
            Start(row["name"], parse_one_line(row["policy"]), row["source"]),
        )
        for row in rows
    )
