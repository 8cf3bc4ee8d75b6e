"""One request for a set of synthetic images: what it is made from, and what follows from that alone."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tools.aga.captions.forbidden_words import forbidden_words
from tools.aga.config import AgaConfig, PromptSet
from tools.aga.making.set_plan import image_count, pool_size
from tools.aga.making.source_images import TrainingSources
from tools.datasets.cache.decode import Fit


@dataclass(frozen=True)
class Request:
    """Everything that the content of a set depends on, besides the tools."""

    sources: TrainingSources
    prompts: PromptSet
    """What the backgrounds show, and how the subject is moved."""
    config: AgaConfig
    root: Path
    """Folder of the store (runs_dir/aga)."""
    fit: Fit
    """How the cache made the training images square."""
    seed: int
    """Of everything that is drawn."""
    classes: Sequence[str]
    """Name of each label."""
    fingerprint: str
    """Of the data."""
    superclasses: Mapping[int, str] | None = None
    """Label → subject, as the data set has it; '' for a class whose images show no subject."""
    wanted: int | None = None
    """Synthetic images, where it is not the scale of the prompts that says how many: the sources are a part of all."""
    counts: Mapping[int, int] | None = None
    """Label → training images, where the sources are a part of these; None: the sources are all, or stand for all."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())

    @property
    def image_size(self) -> int:
        """Side of the training images, and of the synthetic ones, in pixels."""
        return self.sources.image_size

    @property
    def images(self) -> int:
        """Synthetic images to be made.

        Raises:
            ConfigurationError: the scale of the prompts makes none, or is out of range.
        """
        return self.wanted or image_count(self.prompts.scale, len(self.sources))

    @cached_property
    def class_counts(self) -> Mapping[int, int]:
        """Label → training images."""
        return self.counts or Counter(self.sources.label(row) for row in range(len(self.sources)))

    @property
    def backgrounds(self) -> int:
        """Backgrounds that the pool is to have."""
        return pool_size(self.config.pool, len(self.sources), self.images)

    @property
    def background_size(self) -> int:
        """Side of the backgrounds in the store, in pixels: that of the images they are for."""
        compose = self.config.compose
        return self.image_size if compose.size == "training" else compose.max_side

    @property
    def redetects(self) -> bool:
        """Whether backgrounds are searched for the subject: a box that is given would always find it."""
        return self.config.gates.redetect and self.config.detector.kind not in ("none", "dataset")

    @cached_property
    def subjects(self) -> list[str]:
        """The superclass of each label: the configuration's, else the data set's, else the proposal's."""
        known = self.superclasses or {}
        return [
            self.config.subjects.get(name) or known.get(label, self.prompts.subject)
            for label, name in enumerate(self.classes)
        ]

    @cached_property
    def recognised(self) -> float:
        """The least probability that a cut-out shows something of the data, 0..1; 0 where nothing can be asked."""
        least = self.config.recognised
        if least == 0:
            return 0.0
        from tools.aga.gates.recognised import knows_any

        return least if knows_any(self.classes, self.subjects) else 0.0

    @cached_property
    def forbidden_words(self) -> list[str]:
        """What no caption may name."""
        return forbidden_words(self.prompts, self.subjects, self.classes)

    @cached_property
    def class_folders(self) -> list[str]:
        """A folder's name for each class: its own where every system allows it, and no two alike."""
        names = [re.sub(r"[^\w .+-]+", "-", name).strip(" .-")[:100] for name in self.classes]
        if all(names) and len({name.casefold() for name in names}) == len(names):
            return names
        return [f"{label}-{name}".rstrip("-") for label, name in enumerate(names)]

    @property
    def content(self) -> dict[str, Any]:
        """The request as JSON, for the set's key and its set.json; settings are not included."""
        return {
            "fingerprint": self.fingerprint,
            "prompts": self.prompts.model_dump(mode="json"),
            "image_size": self.image_size,
            "fit": self.fit,
            "seed": self.seed,
            "subjects": self.subjects,
            "classes": list(self.classes),
            "max_side": self.sources.max_side,
            **({} if self.wanted is None else {"wanted": self.wanted}),
        }
