"""Histories and data for the tests of the arms, made without training anything."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from agent.memory.history import History, IterationRecord, TrialRecord
from agent.memory.look_ups import HeldOut, LookUp, NotNow, Probed
from agent.memory.proposal import Proposal
from tools.aga.config import PromptSet
from tools.aga.making.preview_rows import Preview, PreviewRow, Verdict
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset, SplitView, open_cache
from tools.datasets.config import DataConfig
from tools.datasets.types import Card, Dataset, Modality, Record
from tools.policy.policy import Operation, Parameter, Policy
from tools.training.evaluation import score
from tools.training.types import Predictions

CLASSES = ("dark", "light")


def operation(name: str, probability: float = 0.5, **values: float) -> Operation:
    parameters = [Parameter(name=key, value=value) for key, value in values.items()]
    return Operation(name=name, probability=probability, parameters=parameters)


def proposal(*operations: Operation, gain: float = 0.5, hypothesis: str = "Lighting varies.") -> Proposal:
    return Proposal(hypothesis=hypothesis, expected_gain=gain, policy=list(operations))


def record(
    number: int,
    made: Proposal,
    mean: float | None,
    *,
    name: str | None = None,
    gain: float | None = None,
    within_noise: bool | None = None,
    recalls: tuple[float | None, ...] = (0.8, 0.7),
    losses: tuple[float, float] = (0.3, 0.35),
    reason: str = "",
) -> IterationRecord:
    finished = mean is not None
    trials = tuple(
        TrialRecord(
            seed=seed,
            status="finished" if finished else "failed",
            score=mean + 0.01 * (seed - 1) if mean is not None else None,
            per_class_recall=recalls if finished else (),
            train_loss=losses[0] if finished else None,
            validation_loss=losses[1] if finished else None,
            reason=reason,
        )
        for seed in range(3)
    )
    return IterationRecord(
        number=number,
        arm="llm",
        name=name or f"iteration {number}",
        proposal=made,
        trials=trials,
        mean=mean,
        std=0.01 if finished else None,
        gain=gain,
        gain_interval=None if gain is None else (gain - 0.01, gain + 0.01),
        within_noise=within_noise,
    )


REFERENCE_MEAN = 0.75
REFERENCE = record(
    0, proposal(), REFERENCE_MEAN, name="no augmentation", recalls=(0.8, 0.6), losses=(0.1, 0.6)
)


def history(
    cache: Path = Path("unused"),
    *,
    modality: Modality = "natural",
    past: Sequence[IterationRecord] = (),
    iteration: int | None = None,
    operations: tuple[int, int] = (2, 3),
    seed: int = 0,
) -> History:
    card = Card(
        name="made",
        title="Made images",
        modality=modality,
        description="Noise on a dark or a light ground; the ground decides the class.",
        classes=CLASSES,
        image_size=16,
    )
    judged = [item for item in past if item.mean is not None]
    return History(
        card=card,
        class_counts={"dark": 12, "light": 4},
        image_size=16,
        model="resnet18, trained from scratch",
        recipe="modern: 10 epochs, batch 32",
        minimum_operations=operations[0],
        maximum_operations=operations[1],
        iteration=len(past) + 1 if iteration is None else iteration,
        iterations=8,
        seed=seed,
        reference=REFERENCE,
        noise=0.01,
        baselines=(),
        past=tuple(past),
        cache=cache,
        budget_left="3 of 24 trials",
        incumbent=max(judged, key=lambda item: item.mean or 0.0, default=None),
    )


class Instruments:
    """What a study offers a model, on the images of a made cache: a classifier that takes some for the other class."""

    def __init__(self, cache: Path) -> None:
        self._cache = open_cache(cache)
        self.kept: list[LookUp] = []
        self.refusal = ""
        """Why nothing can be had, if it is so."""
        self.trusted = False
        """Whether the cheap measure is."""

    def keep(self, look_up: LookUp) -> None:
        self.kept.append(look_up)

    def shown_images(self) -> SplitView:
        return self._cache.split("train")

    def can_show_errors(self) -> bool:
        return True

    def can_probe(self) -> bool:
        return self.trusted

    def probe(self, policy: Policy) -> Probed:
        if self.refusal:
            raise NotNow(self.refusal)
        return Probed(0.01 * len(policy.operations), 0.8 + 0.01 * len(policy.operations), 0.8)

    def preview_backgrounds(self, prompts: PromptSet) -> Preview:
        if self.refusal:
            raise NotNow(self.refusal)
        real = self.shown_images().images[0]
        row = PreviewRow("dark", real, 255 - real, f"a photograph of {prompts.settings[0]}")
        verdicts = (Verdict(row.caption, ""), Verdict("a gull on a shore", "the caption says 'gull'"))
        composites = (Verdict("dark", ""), Verdict("light", "the classifier doubts it"))
        return Preview((row,), composites, verdicts, (("no subject was found", 3),))

    def held_out(self) -> HeldOut:
        """Of the 12 dark images 4 are taken for light, of the 4 light ones none for dark."""
        if self.refusal:
            raise NotNow(self.refusal)
        view = self.shown_images()
        labels = np.asarray(view.labels)
        light = np.where(labels == 1, 0.9, 0.2)
        light[np.flatnonzero(labels == 0)[:4]] = (0.6, 0.9, 0.7, 0.8)
        probabilities = np.stack([1 - light, light], axis=1)
        return HeldOut(view, Predictions(probabilities, labels, score(probabilities, labels, False, 0.4)), 64)


class _Memory:
    """Images that are made when they are read."""

    def read(self, file: str) -> bytes:
        number = int(file.removesuffix(".png"))
        level = 60 if number % 4 else 180
        draw = np.random.default_rng(number)
        pixels = np.clip(draw.normal(level, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        buffer = BytesIO()
        Image.fromarray(pixels).save(buffer, format="PNG")
        return buffer.getvalue()

    def where(self, file: str) -> str:
        return f"made image {file}"


def made_cache(root: Path) -> CachedDataset:
    """A finished cache of 16 training, 4 validation and 4 test images."""
    splits = ["train"] * 16 + ["validation"] * 4 + ["test"] * 4
    records = tuple(
        Record(f"{number}.png", 0 if number % 4 else 1, split, f"{number}")  # type: ignore[arg-type]
        for number, split in enumerate(splits)
    )
    return build_cache(
        Dataset(history().card, records, _Memory()),
        DataConfig.model_validate({"decode_workers": 1}),
        16,
        root,
    )
