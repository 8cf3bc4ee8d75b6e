"""A line of `agent doctor`."""

from dataclasses import dataclass
from typing import Literal

State = Literal["works", "fails", "absent"]


@dataclass(frozen=True)
class Check:
    """One line: what was checked, and whether it works. If an essential check fails, no study can run."""

    name: str
    state: State
    detail: str
    remedy: str = ""
    essential: bool = False
