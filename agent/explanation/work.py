"""What the sections of an explanation share: the test images, the classifiers, and how fast they are."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from agent.context import Context
from agent.explanation.pair import Arm, Pair
from agent.steps.trials import evaluate
from evaluators.attribution.insertion import Probabilities, probabilities_of
from evaluators.explanation import Picture
from evaluators.frozen import Backbone, find_backbone, frozen_features
from evaluators.robustness.on_corruptions import Correct
from tools.datasets.cache.read import SplitView
from tools.files import DamagedFile
from tools.machine import torch_devices
from tools.training.evaluation import Classifier, load_trained
from tools.training.types import Predictions

MOST_SEEDS = 3
"""Of each candidate, on corrupted images and on other backgrounds: fewer have no interval, more take longer."""


@dataclass(frozen=True)
class Options:
    """How much is computed."""

    images: int = 32
    """Test images that attributions are computed of."""
    methods: tuple[str, ...] = ()
    """Of `evaluators.attribution.maps.METHODS`; empty: all that are installed."""
    sections: tuple[str, ...] = ()
    """Of `agent.explanation.sections.SECTIONS`; empty: all."""
    seconds: float | None = None
    """Sections that would take longer than what is left of it are left out; None: none is."""
    threshold: float = 0.8
    """Least score of an image that AIC and SIC count."""

    @property
    def changed_images(self) -> int:
        """Test images that are corrupted, or put on other backgrounds."""
        return 8 * self.images


@dataclass
class Work:
    """One explanation while it is computed."""

    context: Context
    pair: Pair
    options: Options
    folder: Path
    """For the pictures."""
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    computed: list[object] = field(default_factory=list)
    """The sections that were."""
    _classifiers: dict[str, Classifier] = field(default_factory=dict)

    @cached_property
    def test(self) -> SplitView:
        """The test images, which were opened before."""
        return self.context.data.open_test()

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes."""
        return self.context.data.card.classes

    @cached_property
    def device(self) -> str:
        """'cpu', 'mps' or 'cuda:0'."""
        return torch_devices(self.context.config.execution.device, "execution.device")[0]

    @cached_property
    def predictions(self) -> Mapping[str, Mapping[int, Predictions]]:
        """Candidate → seed → what its classifier says about the test images."""
        found = {}
        for arm in self.pair.arms:
            specs = list(arm.specs.values())
            found[arm.name] = dict(zip(arm.specs, evaluate(self.context, specs, "test"), strict=True))
        return found

    @cached_property
    def seeds(self) -> list[int]:
        """Those under which both candidates still have their weights."""
        return [
            seed for seed in self.pair.seeds if all(self._has_weights(arm, seed) for arm in self.pair.arms)
        ]

    def _has_weights(self, arm: Arm, seed: int) -> bool:
        try:
            return self.context.store.has_weights(arm.specs[seed].key)
        except DamagedFile as damage:
            self.notes.append(
                f"{damage}: seed {seed} of {arm.name} is left out where its weights are needed."
            )
            return False

    def classifier(self, arm: Arm, seed: int) -> Classifier:
        """A trained classifier, loaded once."""
        key = arm.specs[seed].key
        if key not in self._classifiers:
            self._classifiers[key] = load_trained(arm.specs[seed], self.device)
        return self._classifiers[key]

    def probabilities(self, arm: Arm, seed: int) -> Probabilities:
        """What it says about images."""
        return probabilities_of(self.classifier(arm, seed))

    def correct(self, arm: Arm, labels: np.ndarray) -> dict[int, Correct]:
        """Seed → which images of these labels a classifier gets right."""

        def of(seed: int) -> Correct:
            say = self.probabilities(arm, seed)
            return lambda images: say(images).argmax(axis=1) == labels

        return {seed: of(seed) for seed in self.seeds[:MOST_SEEDS]}

    def sample(self, count: int) -> np.ndarray:
        """Places of test images, int (M,): the classes in turn, drawn once and for all; sorted."""
        labels = np.asarray(self.test.labels)
        rng = np.random.default_rng([self.context.config.search.seed, len(labels)])
        order = rng.permutation(len(labels))
        turn = np.empty(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            own = order[labels[order] == label]
            turn[own] = np.arange(len(own))
        return np.sort(order[np.argsort(turn[order], kind="stable")][:count])

    def groups(self, places: np.ndarray) -> list[str] | None:
        """Groups of test images; None where every image is its own."""
        every = self.test.groups
        return [every[place] for place in places] if len(set(every)) < len(every) else None

    def picture(self, file: str, title: str, alt: str) -> Path:
        """Where a picture is to be written, which is listed from now on."""
        self.pictures.append(Picture(file=file, title=title, alt=alt))
        return self.folder / file

    @cached_property
    def seconds_per_image(self) -> float:
        """That one classifier takes for one test image, measured."""
        some = np.asarray(self.test.images[self.sample(32)])
        say = self.probabilities(self.pair.winner, self.seeds[0])
        say(some)  # the first call is slower
        started = time.monotonic()
        say(some)
        return (time.monotonic() - started) / len(some)

    @cached_property
    def backbone(self) -> Backbone | None:
        """The frozen pretrained network that is on this machine, loaded once; None where there is none."""
        return find_backbone()

    @cached_property
    def seconds_per_feature(self) -> float:
        """That the frozen network takes for one image, measured on a few; 0 where there is none."""
        if self.backbone is None:
            return 0.0
        some = self.test.images[self.sample(8)]
        frozen_features(self.backbone, some, self.device)
        started = time.monotonic()
        frozen_features(self.backbone, some, self.device)
        return (time.monotonic() - started) / len(some)
