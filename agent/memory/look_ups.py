"""What a model wrote down and looked up before it proposed, and what may be found out for it. Light.

Notes and look-ups are kept as text: with the state of the loop until a proposal is accepted, with its iteration in
MLflow from then on. Pictures are not kept; whoever wants one again asks for it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tools.aga.config import PromptSet
    from tools.aga.making.preview_rows import Preview
    from tools.datasets.cache.read import SplitView
    from tools.policy.policy import Policy
    from tools.training.types import Predictions


NOTEBOOK = 1_500
"""Characters of a model's notes, at most."""


@dataclass(frozen=True)
class LookUp:
    """A call of a tool, and what it answered."""

    tool: str
    asked: str
    """What it was asked about, in a line: a policy, prompts, classes; may be empty."""
    found: str
    """The answer, as the model read it."""

    def as_json(self) -> dict[str, str]:
        """For the state of the loop, and MLflow."""
        return {"tool": self.tool, "asked": self.asked, "found": self.found}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LookUp":
        """Inverse of `as_json`."""
        return cls(str(data["tool"]), str(data["asked"]), str(data["found"]))


@dataclass(frozen=True)
class Notebook:
    """Of one iteration, or of several after one another."""

    notes: str = ""
    """What the model wrote last; empty where it wrote nothing."""
    look_ups: tuple[LookUp, ...] = ()
    """Oldest first."""

    def then(self, later: "Notebook") -> "Notebook":
        """This one, continued: later notes take the place of earlier ones, unless they are empty."""
        return Notebook(later.notes or self.notes, (*self.look_ups, *later.look_ups))

    def as_json(self) -> dict[str, Any]:
        """For the state of the loop, and MLflow."""
        return {"notes": self.notes, "look_ups": [each.as_json() for each in self.look_ups]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Notebook":
        """Inverse of `as_json`."""
        return cls(str(data["notes"]), tuple(LookUp.from_json(each) for each in data["look_ups"]))


def without_repeats(look_ups: Sequence[LookUp]) -> tuple[LookUp, ...]:
    """The same, oldest first; of calls that asked the same the latest answer alone."""
    latest: dict[tuple[str, str], LookUp] = {}
    for each in look_ups:
        latest.pop((each.tool, each.asked), None)
        latest[each.tool, each.asked] = each
    return tuple(latest.values())


@dataclass(frozen=True)
class HeldOut:
    """Training images that one training left out, and what its classifier says of them."""

    view: "SplitView"
    predictions: "Predictions"
    trained_on: int
    """Training images of that classifier."""


@dataclass(frozen=True)
class Probed:
    """What the cheap measure says of a policy. Scores are of the study's metric, differences too (1 = 100 points)."""

    gain: float
    """Over the default policy, measured in the same way with the same seed."""
    score: float
    default_score: float


class NotNow(Exception):
    """What was asked for cannot be had in this study, or no longer; the text says why. The model is told."""


class Instruments(Protocol):
    """What takes more than the history to find out: it costs trainings, pictures or calls, which the ledger counts."""

    def keep(self, look_up: LookUp) -> None:
        """Keep what was looked up for later prompts."""
        ...

    def shown_images(self) -> "SplitView":
        """The training images that may be shown: none of them is a validation image of any seed of the search."""
        ...

    def preview_backgrounds(self, prompts: "PromptSet") -> "Preview":
        """Some images made from `prompts`.

        Raises:
            NotNow: none can be made.
        """
        ...

    def can_show_errors(self) -> bool:
        """Whether `held_out` has images to show, and the study can pay for its training."""
        ...

    def held_out(self) -> HeldOut:
        """What a training without augmentation, made for this alone, says of training images that it left out.

        Raises:
            NotNow: it could not be trained.
        """
        ...

    def can_probe(self) -> bool:
        """Whether the cheap measure is known to rank like full trainings, and the study can pay for one."""
        ...

    def probe(self, policy: "Policy") -> Probed:
        """Measure a policy cheaply, with one seed.

        Raises:
            NotNow: it could not be trained.
        """
        ...
