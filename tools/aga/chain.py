"""The tools that do the steps of a generation, together, and how a generation reports its progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tools.aga.types import BackgroundMaker, Captioner, Detector, Segmenter

if TYPE_CHECKING:
    import numpy as np

    from tools.aga.gates.gates import GateResult

StageProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total); the stages are 'masks', 'captions', 'backgrounds' and 'composites'."""


class Judge(Protocol):
    """Judges finished composites (`tools.aga.gates.classifier_gate.ClassifierGate`)."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on, besides the settings of the gates."""
        ...

    def judge(self, images: "np.ndarray", labels: "Sequence[int] | np.ndarray") -> "list[GateResult]":
        """One result for each image, uint8 (N, S, S, 3), that is to be trained as its label."""
        ...


@dataclass(frozen=True)
class Tools:
    """What does each step."""

    detector: Detector
    segmenter: Segmenter
    captioner: Captioner
    maker: BackgroundMaker
    classifier: Judge | None = None

    @property
    def identities(self) -> dict[str, str]:
        """What the content of a set depends on, by step."""
        named = {
            "detector": self.detector.identity,
            "segmenter": self.segmenter.identity,
            "captioner": self.captioner.identity,
            "maker": self.maker.identity,
        }
        return named if self.classifier is None else {**named, "classifier": self.classifier.identity}
