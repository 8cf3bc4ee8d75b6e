"""`length.json` in a study's folder: how long it trains, and how that was found; a copy is an artifact in MLflow."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.files import read_json, understood, write_json

if TYPE_CHECKING:
    from agent.memory import Tracking

NAME = "length.json"


@dataclass(frozen=True)
class Tried:
    """One arm at one length."""

    arm: str
    """'no augmentation' or 'default'."""
    epochs: int
    steps: int
    """Of the optimiser."""
    score: float
    """The study's metric on validation, mean over seeds."""
    loss: float
    """Validation log loss after temperature scaling, mean over seeds."""


@dataclass(frozen=True)
class Lengths:
    """How long a study trains."""

    epochs: int
    """Every candidate but no augmentation."""
    reference: int
    """No augmentation: its own best length, or the study's where it has learnt nothing."""
    found: bool
    """Whether the study found it; otherwise it was given."""
    sentence: str
    """What the curves say and what the study does, or whether the given number is too short."""
    note: str = ""
    """Why no further length was tried."""
    default: str = ""
    """The default policy in its one-line form."""
    seeds: int = 0
    tried: tuple[Tried, ...] = ()
    samples: int = 0
    """Training images that the phase has shown to models."""
    trials: int = 0
    """Trainings of the whole study, by its plan."""
    planned: int = 0
    """Training images of the whole study at this length, by its plan, or as many as a limit in time allows."""
    limited: bool = False
    """Whether `planned` is what the limit in time allows, and less than the plan."""

    @property
    def share(self) -> float | None:
        """The phase's part of the study's training images, 0..1."""
        return self.samples / self.planned if self.planned else None


def write_lengths(folder: Path, lengths: Lengths) -> None:
    """Write down how long the study in `folder` trains.

    Raises:
        OSError: as the system raises it.
    """
    write_json(folder / NAME, asdict(lengths))


def read_lengths(folder: Path, tracking: "Tracking", found: bool) -> Lengths | None:
    """What was written down; from the copy in MLflow where the file is gone.

    Args:
        folder: the study's own.
        tracking: attached to the study.
        found: whether the study finds its length; one whose length was given can do without.

    Raises:
        AugurError: the file is damaged.
    """
    file = folder / NAME
    if file.exists():
        content = read_json(file)  # None where it is no JSON
    else:
        copy = tracking.study_artifact(NAME) if found else None
        if copy is None:
            return None
        content = json.loads(copy)
    about = "which says how long this study trains"
    return understood(content, _parsed, file, about, "the copy in MLflow is then taken")


def _parsed(content: Any) -> Lengths:
    return Lengths(**{**content, "tried": tuple(Tried(**each) for each in content["tried"])})
