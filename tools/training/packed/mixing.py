"""mixup and cutmix from numbers drawn before the step, so that a captured step can use new ones in each replay."""

from dataclasses import dataclass
from typing import Literal

import torch
from torchvision.transforms import v2

from tools.policy.built_policy import BuiltPolicy

MixKind = Literal["none", "mixup", "cutmix"]


@dataclass(frozen=True)
class Mix:
    """How one batch is mixed with itself, shifted by one image."""

    share: float
    """Of each image itself, in its label; 1 where nothing is mixed."""
    box: tuple[int, int, int, int] = (0, 0, 0, 0)
    """x1, y1, x2, y2 of what cutmix takes from the image before; empty for mixup."""


UNMIXED = Mix(1.0)


def put(target: torch.Tensor, values: torch.Tensor) -> None:
    """Copy `values`, on CPU, to the first places of `target`; on CUDA without waiting for the device."""
    target[: len(values)].copy_(values.pin_memory() if target.is_cuda else values, non_blocking=True)


def mix_kind(policy: BuiltPolicy) -> MixKind:
    """Which batch operation `policy` has."""
    if policy.mixer is None:
        return "none"
    return "cutmix" if isinstance(_transform(policy)[0], v2.CutMix) else "mixup"


def draw_mix(policy: BuiltPolicy, image_size: int) -> Mix:
    """The numbers of one batch, drawn from torch's CPU generator exactly as `BuiltPolicy.mix` draws them."""
    transform, probability = _transform(policy)
    if probability < 1 and torch.rand(1) >= probability:
        return UNMIXED
    parameters = transform.make_params([torch.empty(1, 3, image_size, image_size, device="meta")])
    if "box" in parameters:
        return Mix(parameters["lam_adjusted"], parameters["box"])
    return Mix(parameters["lam"])


def _transform(policy: BuiltPolicy) -> tuple[v2.Transform, float]:
    mixer = policy.mixer
    if isinstance(mixer, v2.RandomApply):
        return mixer.transforms[0], mixer.p  # pyright: ignore[reportReturnType]
    return mixer, 1.0  # pyright: ignore[reportReturnType]


class MixTables:
    """The numbers of the steps of one part, on the device."""

    def __init__(self, steps: int, device: str) -> None:
        self._shares = torch.ones(steps, 2, device=device)
        self._boxes = torch.zeros(steps, 4, dtype=torch.int64, device=device)

    def set(self, mixes: list[Mix], first: int = 0) -> None:
        """For the steps from `first` on."""
        shares = torch.tensor([(mix.share, 1.0 - mix.share) for mix in mixes])
        stop = first + len(mixes)
        put(self._shares[first:stop], shares)
        put(self._boxes[first:stop], torch.tensor([mix.box for mix in mixes]))

    def apply(
        self, kind: MixKind, step: torch.Tensor, images: torch.Tensor, labels: torch.Tensor, classes: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The mixed batch of `step` (1,) int64: images float (B, 3, S, S), and labels float (B, classes), of int64 (B,)
        or of float (B, classes) themselves."""
        own, other = self._shares.index_select(0, step).squeeze(0).unbind()
        before = images.roll(1, 0)
        if kind == "mixup":
            images = before.mul_(other).add_(images.mul(own))
        else:
            x1, y1, x2, y2 = self._boxes.index_select(0, step).squeeze(0).unbind()
            side = torch.arange(images.shape[-1], device=images.device)
            rows, columns = (side >= y1) & (side < y2), (side >= x1) & (side < x2)
            images = torch.where(rows[:, None] & columns[None, :], before, images)
        one_hot = labels
        if labels.ndim == 1:
            one_hot = (labels[:, None] == torch.arange(classes, device=labels.device)).float()
        return images, one_hot.roll(1, 0).mul_(other).add_(one_hot.mul(own))
