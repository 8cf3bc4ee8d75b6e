"""What a model found out before it proposed, and what may be found out for it. Light.

Look-ups are kept as text: with the state of the loop until the proposal is accepted, with its iteration in MLflow from
then on. Pictures are not kept; whoever wants one again asks for it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tools.aga.config import PromptSet
    from tools.aga.making.preview_rows import Preview
    from tools.datasets.cache.read import SplitView
    from tools.training.types import Predictions


NOTEBOOK = 1_500
"""Characters of a model's notebook, at most."""


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
