"""What earlier studies found, which a study begins with (`search.warm_start`); written down once. Light."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.memory.proposal import Proposal, parse_proposal
from tools.files import read_understood, write_json

NAME = "warm_start.json"
"""In the folder of a study."""


@dataclass(frozen=True)
class Earlier:
    """A proposal of an earlier study. Gains are on validation there (-1..1), never of its test."""

    study: str
    name: str
    """'iteration 3'."""
    same_data: bool
    """Whether that study had the same images and splits."""
    model: str
    proposal: Proposal
    gain: float
    interval: tuple[float, float] | None
    """95% interval of `gain`, by the noise of all candidates there."""
    over: str
    """What the gain is over: 'the default policy', or 'no augmentation' where that study did not train the default."""
    over_none: float | None
    seeds: int
    epochs: int = 0
    """Of a training there; 0 where an earlier version did not write it down."""

    @property
    def origin(self) -> str:
        """'iteration 3 of study NAME'."""
        return f"{self.name} of study {self.study}"

    @property
    def mark(self) -> str:
        """How the hypothesis begins of what is taken over of it."""
        return f"From {self.origin} ("


def write_earlier(folder: Path, found: list[Earlier]) -> None:
    """Write down what the study in `folder` begins with."""
    content = [{**vars(each), "proposal": each.proposal.model_dump(mode="json")} for each in found]
    write_json(folder / NAME, content)


def read_earlier(folder: Path) -> tuple[Earlier, ...] | None:
    """What was written down; None where nothing was yet.

    Raises:
        AugurError: the file is damaged.
    """

    def parse(content: Any) -> tuple[Earlier, ...]:
        return tuple(_parse(each) for each in content)

    return read_understood(
        folder / NAME, parse, "which says what earlier studies found", "they are read again"
    )


def _parse(known: dict[str, Any]) -> Earlier:
    interval = known["interval"]
    return Earlier(
        **{
            **known,
            "proposal": parse_proposal(json.dumps(known["proposal"])),
            "interval": None if interval is None else (interval[0], interval[1]),
        }
    )
