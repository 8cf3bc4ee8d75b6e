"""From a policy to callables for the training loop: one for an image, one for a batch.

All randomness comes from torch's global CPU generator: the same `torch.manual_seed` gives the same images. An image
is augmented on one core, so OpenCV's own threads are switched off: they would compete with the loader's processes,
and hang after a fork.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import PIL.Image
import torch
from torch.nn.functional import one_hot
from torchvision.transforms import v2

from tools.policy.catalogue import Stage
from tools.policy.policy import Policy
from tools.policy.sample_aware import SampleAware
from tools.policy.steps import Step, steps_of
from tools.policy.transforms import as_array, as_tensor

cv2.setNumThreads(1)


class BuiltPolicy:
    """A policy ready to run. Picklable, so that it can be sent to loader processes."""

    def __init__(self, steps: list[Step], classes: int) -> None:
        on_image = [step for step in steps if step.stage != "batch"]
        on_batch = [step for step in steps if step.stage == "batch"]
        self._classes = classes
        self._chain = _chain(on_image)
        scored = [place for place, step in enumerate(self._chain) if isinstance(step, SampleAware)]
        self._scored_at = scored[0] if scored else len(self._chain)
        self.is_scored: bool = bool(scored)
        """Whether it may ask the classifier how strong an image is changed (`sample_aware.py`)."""
        self.mixer: Callable[..., Any] | None = _on_batch(on_batch[0]) if on_batch else None
        """The batch operation itself, a transform of torchvision; see `mix`."""
        self.is_identity: bool = not steps
        """Whether neither images nor labels are ever changed."""
        self.has_mix: bool = self.mixer is not None
        """Whether `mix` may change a batch."""

    def augment(self, image: np.ndarray) -> torch.Tensor:
        """One augmented image.

        Args:
            image: uint8 (S, S, 3), RGB; may be read-only, is never changed.

        Returns:
            uint8 (3, S, S) that shares no memory with `image`. Its strides are channels-last, as PIL's and
            OpenCV's memory is; `torch.stack` and `.contiguous()` change that.
        """
        result: Any = image
        for step in self._chain:
            result = step(result)
        return result

    def augment_until_score(self, image: np.ndarray) -> torch.Tensor:
        """As `augment`, as far as it goes without the image's score."""
        result: Any = image
        for step in self._chain[: self._scored_at]:
            result = step(result)
        return result

    def augment_by_score(self, image: torch.Tensor, score: float) -> torch.Tensor:
        """The rest, for what `augment_until_score` gave; `score` is 0 to 1. Returns uint8 (3, S, S)."""
        result: Any = self._chain[self._scored_at](image, score)
        for step in self._chain[self._scored_at + 1 :]:
            result = step(result)
        return result

    def mix(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch operation, with its probability drawn once; each image is mixed with the one before it.

        Args:
            images: float (B, 3, S, S), on any device.
            labels: int64 (B,), on the same device; or float32 (B, classes), where images may have several labels.

        Returns:
            images float (B, 3, S, S) and soft labels float32 (B, classes), each row a distribution; one-hot
            where nothing was mixed.
        """
        if self.mixer is not None:
            images, labels = self.mixer(images, labels)
        if labels.ndim == 1:
            labels = one_hot(labels, self._classes).float()
        return images, labels


def build(policy: Policy, image_size: int, classes: int) -> BuiltPolicy:
    """Build the canonical form of `policy` for square images of `image_size` pixels.

    Raises:
        ConfigurationError: the policy is not valid (see `check_policy`).
    """
    return BuiltPolicy(steps_of(policy, image_size, classes), classes)


class Sometimes:
    """`v2.RandomApply` of one transform to one image: the same draw, without what it does for lists and videos."""

    def __init__(self, transform: Callable[[Any], Any], probability: float) -> None:
        self.transform, self.probability = transform, probability

    def __call__(self, image: Any) -> Any:
        """The image, changed or as it is."""
        return image if torch.rand(1) >= self.probability else self.transform(image)


def _on_image(step: Step) -> Callable[[Any], Any]:
    transform = step.transform(**step.arguments)
    return transform if step.probability == 1 else Sometimes(transform, step.probability)


def _on_batch(step: Step) -> Callable[..., Any]:
    transform = step.transform(**step.arguments)
    return transform if step.probability == 1 else v2.RandomApply([transform], p=step.probability)


def _chain(steps: list[Step]) -> list[Callable[..., Any]]:
    """The transforms, with conversions only between neighbours that run on different types."""
    stage: Stage = steps[0].stage if steps else "tensor"
    chain: list[Callable[..., Any]] = [PIL.Image.fromarray if stage == "image" else _tensor_copy]
    for step in steps:
        if step.stage != stage:
            chain.append(_as_image if step.stage == "image" else _from_image)
            stage = step.stage
        chain.append(_on_image(step))
    if stage == "image":
        chain.append(_from_image)
    return chain


def _tensor_copy(image: np.ndarray) -> torch.Tensor:
    return as_tensor(image.copy())


def _as_image(image: torch.Tensor) -> PIL.Image.Image:
    return PIL.Image.fromarray(as_array(image))


def _from_image(image: PIL.Image.Image) -> torch.Tensor:
    return as_tensor(np.array(image))
