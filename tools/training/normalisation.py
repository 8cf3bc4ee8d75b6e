"""Mean and standard deviation by which images are normalised before they enter the classifier."""

import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from tools.datasets.cache.read import Rows
from tools.files import DamagedFile, read_checked_json, write_checked_json
from tools.training.config import Fold, TrialSpec, stated_normalisation
from tools.training.networks.published import expected_normalisation

_log = logging.getLogger(__name__)

_CACHED = "normalisation.json"
_CHUNK_PIXELS = 16_000_000
"""Pixels read at a time, so that memory does not grow with the data set."""


@dataclass(frozen=True)
class Normalisation:
    """Per channel (red, green, blue), on the scale 0..255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, images: torch.Tensor, device: str) -> torch.Tensor:
        """uint8 (B, 3, S, S) to float32 of mean 0 and deviation 1 on `device`; channels_last on CUDA."""
        return normalise(images.to(device, non_blocking=True), *self.tensors(device))

    def tensors(self, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation as `normalise` takes them: float32 (1, 3, 1, 1) on `device`."""
        mean = torch.tensor(self.mean, device=device).view(1, 3, 1, 1)
        return mean, torch.tensor(self.std, device=device).view(1, 3, 1, 1)


def normalise(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> torch.Tensor:
    """uint8 (B, 3, S, S) to float32 of mean 0 and deviation 1, on the device of all three; channels_last on CUDA."""
    layout = torch.channels_last if images.is_cuda else torch.contiguous_format
    return images.to(torch.float32, memory_format=layout).sub_(mean).div_(std)


IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""What torchvision's pretrained weights expect."""


def normalisation_for(spec: TrialSpec, images: Rows | np.ndarray) -> Normalisation:
    """How a trial's images are normalised: as stated, as its weights expect, or by its training images.

    Args:
        spec: of the trial.
        images: its training images.
    """
    stated = spec.model.normalisation
    if stated == "imagenet":
        return IMAGENET
    known = expected_normalisation(spec.model) if stated == "auto" else None
    if stated not in ("auto", "data"):
        known = stated_normalisation(stated)
    if known is None:
        return training_normalisation(spec.cache, images, spec.fold)
    return _on_bytes(known[0], known[1])


def _on_bytes(mean: tuple[float, ...], std: tuple[float, ...]) -> Normalisation:
    """`Normalisation` of numbers on the scale 0..1."""
    scaled = [tuple(round(255 * value, 6) for value in values) for values in (mean, std)]
    return Normalisation(scaled[0], scaled[1])  # type: ignore[arg-type]


def training_normalisation(cache: Path, images: Rows | np.ndarray, fold: Fold | None = None) -> Normalisation:
    """Mean and deviation of the training images, computed once for a data set or fold and kept in its cache folder.

    They are computed from how often each channel takes each of its 256 values, so that every process gets exactly the
    same. A channel that never varies gets the deviation 1.

    Args:
        cache: folder of the decoded data set.
        images: its training images, those of `fold` where one is given.
        fold: what the trial is validated on.
    """
    file = cache / _file_name(fold)
    try:
        return _kept(file)
    except FileNotFoundError:
        pass
    except DamagedFile as damage:
        _log.warning("%s: mean and deviation are computed again", damage)
    counts = np.zeros((3, 256), dtype=np.int64)
    step = max(1, _CHUNK_PIXELS // max(1, int(np.prod(images.shape[1:3]))))
    for start in range(0, len(images), step):
        chunk = images[start : start + step]
        for channel in range(3):
            counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    values = np.arange(256, dtype=np.float64)
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    std[std == 0] = 1.0
    found = Normalisation(tuple(mean.tolist()), tuple(std.tolist()))
    write_checked_json(file, asdict(found))
    return found


def _file_name(fold: Fold | None) -> str:
    if fold is None or fold.is_as_split:
        return _CACHED
    return f"normalisation-{fold.of}-{fold.number}-of-{fold.count}.json"


def _kept(file: Path) -> Normalisation:
    content = read_checked_json(file)
    try:
        mean, std = (tuple(float(value) for value in content[name]) for name in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(file, "it holds no mean and deviation") from error
    if len(mean) != 3 or len(std) != 3 or not all(math.isfinite(v) for v in mean + std) or min(std) <= 0:
        raise DamagedFile(file, f"mean {mean} and deviation {std} cannot be those of images")
    return Normalisation(mean, std)
