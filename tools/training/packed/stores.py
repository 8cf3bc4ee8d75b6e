"""What trials of a pack have in common on the device: images to be judged by, and initial weights."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch

from tools.datasets.cache.read import SplitView
from tools.training.batches import TrainingImages
from tools.training.config import TrialSpec
from tools.training.evaluation import fit_sample
from tools.training.networks.models import build_model
from tools.training.normalisation import Normalisation, normalisation_for
from tools.training.views import validation_view

MOST_BYTES = 2 * 2**30
"""Of images or of weights that are kept on the device; larger ones stay in the machine's memory."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Shown:
    """Images that a trained model is shown."""

    view: SplitView
    images: torch.Tensor
    """uint8 (N, 3, S, S)."""


class Recent(Generic[Value]):
    """Values by key, the last used of them, up to a number of bytes."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._values: OrderedDict[object, tuple[Value, int]] = OrderedDict()

    def get(self, key: object, make: Callable[[], tuple[Value, int]]) -> Value:
        """The value of `key`; where it is not kept, `make` gives it and its size in bytes."""
        if key not in self._values:
            self._values[key] = make()
            while len(self._values) > 1 and sum(size for _, size in self._values.values()) > self._most:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key][0]


class Stores:
    """Of one device."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._shown: Recent[Shown] = Recent(MOST_BYTES)
        self._weights: Recent[dict[str, torch.Tensor]] = Recent(MOST_BYTES)

    def validation(self, spec: TrialSpec) -> Shown:
        """The validation images of a trial."""
        return self._view("validation", spec, lambda: validation_view(spec))

    def fit(self, spec: TrialSpec, source: TrainingImages) -> Shown:
        """The training images on which its fit is measured."""
        return self._view("fit", spec, lambda: fit_sample(source.view))

    def weights(self, spec: TrialSpec) -> dict[str, torch.Tensor]:
        """Its initial weights, as the single trainer has them; seeds of a study come again and again."""

        def make() -> tuple[dict[str, torch.Tensor], int]:
            self._settled(None)  # what is dropped for it may still be copied from
            state = build_model(spec.model, spec.classes, spec.image_size, spec.seed).state_dict()
            size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
            where = self._device if size <= MOST_BYTES // 8 else "cpu"
            return self._settled({name: tensor.to(where) for name, tensor in state.items()}), size

        return self._weights.get((spec.model, spec.classes, spec.image_size, spec.seed), make)

    def normalisation(self, spec: TrialSpec, source: TrainingImages) -> Normalisation:
        """As the single trainer chooses it."""
        return normalisation_for(spec, source.view.images)

    def _view(self, what: str, spec: TrialSpec, open_view: Callable[[], SplitView]) -> Shown:
        def make() -> tuple[Shown, int]:
            self._settled(None)  # what is dropped for it may still be read
            view = open_view()
            images = torch.from_numpy(np.ascontiguousarray(view.images[:])).permute(0, 3, 1, 2)
            where = self._device if images.numel() <= MOST_BYTES // 2 else "cpu"
            return self._settled(Shown(view, images.to(where))), images.numel()

        return self._shown.get((what, spec.cache, spec.fold), make)

    def _settled(self, value: Value) -> Value:
        """`value`, copied to the device, now for every stream."""
        if torch.device(self._device).type == "cuda":
            torch.cuda.synchronize(self._device)
        return value
