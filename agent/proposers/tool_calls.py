"""The tools that a model may call before it proposes: the data, a policy's effect, the results."""

import base64
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.memory.history import History
from agent.proposers.answers import problems_of
from agent.proposers.results import feedback_values
from agent.proposers.schema import DESCRIBE, PREVIEW, RESULTS
from prompts import render
from tools.policy.policy import Operation, Policy
from tools.policy.safety import lint
from tools.policy.validate import check_policy

if TYPE_CHECKING:
    from tools.datasets.cache.read import CachedDataset

SHEET_IMAGES = 8
SHEET_ROWS = 3
MEASURED_IMAGES = 512
_GREY = 2.0
"""Grey levels by which the channels of a grey image may differ (by JPEG)."""
_UNIFORM_BORDER = 12.0
"""Standard deviation in grey levels below which a border counts as uniform."""


@dataclass(frozen=True)
class ToolResult:
    """What the model reads, and a PNG in base64 where there is one."""

    text: str
    picture: str | None = None


class _PreviewArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    operations: list[Operation]


class ToolRunner:
    """Runs the tool calls of one iteration. Reads the training split alone."""

    def __init__(self, history: History, vision: bool, feedback: bool) -> None:
        """`vision`: whether to make pictures; `feedback`: whether results may be read."""
        self._history = history
        self._vision = vision
        self._feedback = feedback

    @staticmethod
    def names(feedback: bool) -> list[str]:
        """The tools that there are."""
        return [DESCRIBE, PREVIEW, *([RESULTS] if feedback else [])]

    def run(self, name: str, arguments: dict[str, Any]) -> ToolResult:
        """The result of the tool `name`. What is wrong with a call is told to the model, not raised."""
        if name == DESCRIBE:
            return self._describe()
        if name == PREVIEW:
            return self._preview(arguments)
        if name == RESULTS and self._feedback:
            return ToolResult(render("results", **feedback_values(self._history)), self._last_sheet())
        return ToolResult(f"There is no tool {name!r}: call {', '.join(self.names(self._feedback))}.")

    def _last_sheet(self) -> str | None:
        """Contact sheet of the latest synthetic images, for a model with vision."""
        sheets = [record.sheet for record in self._history.past if record.sheet is not None]
        if not sheets or not self._vision:
            return None
        return base64.b64encode(sheets[-1].read_bytes()).decode()

    @cached_property
    def _data(self) -> "CachedDataset":
        from tools.datasets.cache.read import open_cache

        return open_cache(self._history.cache)

    @cached_property
    def _examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Up to `SHEET_IMAGES` training images, from each class in turn, the same in every iteration of a study."""
        train = self._data.split("train")
        labels = np.asarray(train.labels)
        order = np.random.default_rng(self._history.seed).permutation(len(labels))
        by_class = [order[labels[order] == label] for label in range(len(self._history.card.classes))]
        turns = range(max((len(members) for members in by_class), default=0))
        chosen = [int(members[turn]) for turn in turns for members in by_class if turn < len(members)]
        chosen = sorted(chosen[:SHEET_IMAGES], key=lambda index: int(labels[index]))
        return np.stack([train.images[index] for index in chosen]), labels[chosen]

    def _describe(self) -> ToolResult:
        train = self._data.split("train")
        count = len(train.labels)
        step = max(1, -(-count // MEASURED_IMAGES))
        images = np.stack([train.images[index] for index in range(0, count, step)])
        labels = np.asarray(train.labels)[::step]
        text = render(
            "dataset",
            title=self._history.card.title,
            training_images=count,
            image_size=self._history.image_size,
            sampled=len(images),
            classes=self._classes(images, labels),
            **measure(images),
        )
        return ToolResult(text, self._sheet(Policy(operations=[]), rows=0) if self._vision else None)

    def _classes(self, images: np.ndarray, labels: np.ndarray) -> list[tuple[str, int, float]]:
        brightness = images.mean(axis=(1, 2, 3))
        counts = self._history.class_counts
        return [
            (name, counts.get(name, 0), float(brightness[labels == label].mean()))
            for label, name in enumerate(self._history.card.classes)
            if (labels == label).any()
        ]

    def _preview(self, arguments: dict[str, Any]) -> ToolResult:
        try:
            policy = Policy(operations=_PreviewArguments.model_validate(arguments).operations)
        except ValidationError as error:
            return ToolResult(render("preview", problems=problems_of(error)))
        # a single operation may be previewed, whatever number the policy must have in the end
        problems = check_policy(
            policy, 1, self._history.maximum_operations, self._history.whole_policies, self._history.grey
        )
        if problems:
            return ToolResult(render("preview", problems=problems))
        from tools.policy.preview import preview_statistics

        text = render(
            "preview",
            problems=[],
            findings=[
                finding
                for finding in lint(policy, self._history.card)
                if self._history.advice or finding.severity == "reject"
            ],
            statistics=preview_statistics(self._examples[0], policy, self._history.seed),
            picture=self._vision,
        )
        return ToolResult(text, self._sheet(policy, SHEET_ROWS) if self._vision else None)

    def _sheet(self, policy: Policy, rows: int) -> str:
        from tools.policy.preview import contact_sheet

        images, labels = self._examples
        names = [self._history.card.classes[label] for label in labels]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sheet.png"
            contact_sheet(images, names, policy, path, self._history.seed, rows)
            return base64.b64encode(path.read_bytes()).decode()


def measure(images: np.ndarray) -> dict[str, Any]:
    """Statistics of uint8 images (N, S, S, 3) for the template `dataset`, in grey levels 0..255."""
    values = images.astype(np.float32)
    grey = values.mean(axis=3)
    brightness = grey.mean(axis=(1, 2))
    colour = np.ptp(values, axis=3).mean(axis=(1, 2))
    border = np.concatenate([grey[:, 0], grey[:, -1], grey[:, :, 0], grey[:, :, -1]], axis=1)
    uniform = border.std(axis=1) < _UNIFORM_BORDER
    return {
        "channel_means": [float(mean) for mean in values.mean(axis=(0, 1, 2))],
        "contrast": float(grey.std(axis=(1, 2)).mean()),
        "brightness_spread": float(brightness.std()),
        "grey": bool(colour.max() < _GREY),
        "colour_spread": float(colour.std()),
        "uniform_border": bool(uniform.mean() > 0.5),
        "border_level": float(np.median(border[uniform])) if uniform.any() else 0.0,
        "mirror_horizontal": _mean_correlation(grey, grey[:, :, ::-1]),
        "mirror_vertical": _mean_correlation(grey, grey[:, ::-1, :]),
    }


def _mean_correlation(images: np.ndarray, others: np.ndarray) -> float:
    """Mean correlation of pixels between images (N, S, S) and `others`; 1 for constant images."""
    first = images - images.mean(axis=(1, 2), keepdims=True)
    second = others - others.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((first**2).sum(axis=(1, 2)) * (second**2).sum(axis=(1, 2)))
    product = (first * second).sum(axis=(1, 2))
    return float(np.where(norm > 0, product / np.where(norm > 0, norm, 1), 1.0).mean())
