"""The tools that do the steps of a generation, together, and how a generation reports its progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tools.aga.types import BackgroundMaker, Captioner, Detector, Segmenter

if TYPE_CHECKING:
    import numpy as np

    from tools.aga.gates.gates import GateResult
    from tools.aga.making.composing import Pasted, SentShard

StageProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total): 'masks', 'captions', 'backgrounds', 'composites'; of ALIA 'captions', 'edits'."""


class Judge(Protocol):
    """Judges finished images by their label (`tools.aga.gates.classifier_gate.ClassifierGate`)."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on, besides the settings of the gates."""
        ...

    def judge(self, images: "np.ndarray", labels: "Sequence[int] | np.ndarray") -> "list[GateResult]":
        """One result for each image, uint8 (N, S, S, 3), that is to be trained as its label."""
        ...


class SemanticJudge(Protocol):
    """Judges finished images by the word for what they show (`tools.aga.gates.clip_gate.ClipGate`)."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on."""
        ...

    def judge_as(self, images: "np.ndarray", subjects: "Sequence[str]") -> "list[GateResult]":
        """One result for each image, uint8 (N, S, S, 3), that is to show its subject."""
        ...


class ShardPaster(Protocol):
    """Makes composites somewhere else (`tools.execution.on_ray.images.ImageWorkers`)."""

    @property
    def at_once(self) -> int:
        """Shards that are worth handing over at a time."""
        ...

    def paste(self, shard: "SentShard") -> "list[Pasted]":
        """The composites of a shard, as `tools.aga.making.composing.pasted` makes them."""
        ...


@dataclass(frozen=True)
class Tools:
    """What does each step."""

    detector: Detector
    segmenter: Segmenter
    captioner: Captioner
    maker: BackgroundMaker
    classifier: Judge | None = None
    semantic: SemanticJudge | None = None
    paster: ShardPaster | None = None
    """Where composites are made, if not by this machine; no part of what they depend on."""

    @property
    def identities(self) -> dict[str, str]:
        """What the content of a set depends on, by step."""
        return {
            "detector": self.detector.identity,
            "segmenter": self.segmenter.identity,
            "captioner": self.captioner.identity,
            "maker": self.maker.identity,
            **_of_judges(self),
        }


class Editor(Protocol):
    """Edits whole pictures (`tools.aga.editing.editor.ImageEditor`)."""

    @property
    def identity(self) -> str:
        """Names everything that its answers depend on (kind, weights, settings)."""
        ...

    def edit(
        self, images: "Sequence[np.ndarray]", prompts: Sequence[str], seeds: Sequence[int]
    ) -> "list[np.ndarray]":
        """Each image, uint8 (H, W, 3), as its prompt asks, in its own size."""
        ...


@dataclass(frozen=True)
class EditingTools:
    """What does each step of ALIA, which edits whole images."""

    captioner: Captioner
    maker: Editor
    classifier: Judge | None = None
    semantic: SemanticJudge | None = None

    @property
    def identities(self) -> dict[str, str]:
        """What the content of a set depends on, by step."""
        return {"captioner": self.captioner.identity, "editor": self.maker.identity, **_of_judges(self)}


def _of_judges(tools: Tools | EditingTools) -> dict[str, str]:
    judges = {"classifier": tools.classifier, "semantic": tools.semantic}
    return {name: judge.identity for name, judge in judges.items() if judge is not None}
