"""What the catalogue says of an operation and of its parameters."""

from dataclasses import dataclass
from typing import Literal

Stage = Literal["image", "tensor", "batch"]

Trait = Literal[
    "mirror_horizontal",
    "mirror_vertical",
    "rotation",
    "geometry",
    "deformation",
    "crop",
    "shift",
    "colour",
    "intensity",
    "contrast",
    "inversion",
    "texture",
    "occlusion",
    "mixing",
]


@dataclass(frozen=True)
class ParameterSpec:
    """One number of an operation, and where it may lie: `low <= value <= high`, both included."""

    name: str
    low: float
    high: float
    default: float
    description: str
    """What it means, with its unit."""
    integer: bool = False
    log: bool = False
    """Whether an optimiser should search it on a logarithmic scale."""


@dataclass(frozen=True)
class OperationSpec:
    """One augmentation: what a person or an LLM reads about it, and what the other readers need."""

    name: str
    summary: str
    parameters: tuple[ParameterSpec, ...]
    stage: Stage
    """Where it runs: on the PIL image or on the uint8 tensor, whichever is faster for it; or on the batch."""
    traits: frozenset[Trait]
    """What it does to an image, as the label-safety lint sees it."""
    whole_policy: bool = False
    """A published policy that draws among many operations; the baselines are such."""

    def parameter(self, name: str) -> ParameterSpec | None:
        """The parameter of that name, if there is one."""
        return next((spec for spec in self.parameters if spec.name == name), None)
