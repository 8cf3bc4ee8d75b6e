"""Images a second that one core augments, by operation and size, against torchvision's own transforms.

Both change the same images with the same strength, one image at a time, from an array in memory to a uint8 tensor, as a
loader does. torchvision is timed in both of its ways, on tensors and on Pillow images, and the faster one counts. What
is judged is a whole policy at 224 px: flips, a resized crop, brightness and contrast. What one core makes of it says
how many cores a card needs that trains so many images a second.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from tools.policy.built_policy import build
from tools.policy.canonical import parse_one_line

SIZES = (64, 224)
IMAGES = 64
REPEATS = 7
TARGET = 1.0
POLICY = (
    "horizontal_flip(p=0.5) > vertical_flip(p=0.5) > resized_crop(p=1, scale_min=0.5, aspect=1.33)"
    " > brightness(p=1, strength=0.2) > contrast(p=1, strength=0.2)"
)
JUDGED = "flips, resized crop, light"

_LINEAR = InterpolationMode.BILINEAR
_CASES: dict[str, tuple[str, Callable[[int], Callable[[Any], Any]]]] = {
    "rotate": (
        "rotate(p=1, degrees=20)",
        lambda _size: v2.RandomAffine((-20, 20), interpolation=_LINEAR),
    ),
    "affine": (
        "affine(p=1, degrees=15, translate=0.1, scale=0.1, shear=5)",
        lambda _size: v2.RandomAffine((-15, 15), (0.1, 0.1), (0.9, 1.1), (-5, 5, -5, 5), _LINEAR),
    ),
    "perspective": (
        "perspective(p=1, distortion=0.3)",
        lambda _size: v2.RandomPerspective(0.3, p=1, interpolation=_LINEAR),
    ),
    "hue": ("hue(p=1, shift=0.05)", lambda _size: v2.ColorJitter(hue=0.05)),
    "sharpness": ("sharpness(p=1, strength=0.5)", lambda _size: v2.RandomAdjustSharpness(1.5, p=1)),
    "gaussian_blur": ("gaussian_blur(p=1, sigma=1.0)", lambda _size: v2.GaussianBlur(7, (0.1, 1.0))),
    "jpeg": ("jpeg(p=1, quality=50)", lambda _size: v2.JPEG([50, 100])),
    JUDGED: (
        POLICY,
        lambda size: v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.RandomResizedCrop(size, (0.5, 1.0), (1 / 1.33, 1.33)),
                v2.ColorJitter(brightness=0.2, contrast=0.2),
            ]
        ),
    ),
}
"""By name: our policy, and torchvision's transform for a side of so many pixels."""


def photographs(size: int) -> list[np.ndarray]:
    """Soft coloured images uint8 (size, size, 3), the same every time."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 14, 14, 3), dtype=np.uint8)
    return [cv2.resize(each, (size, size), interpolation=cv2.INTER_CUBIC) for each in coarse]


def _of_tensors(transform: Callable[[Any], Any]) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda image: transform(torch.from_numpy(image).permute(2, 0, 1).contiguous())


def _of_pillow(transform: Callable[[Any], Any]) -> Callable[[np.ndarray], torch.Tensor]:
    return lambda image: v2.functional.pil_to_tensor(transform(Image.fromarray(image)))


def _seconds(augment: Callable[[np.ndarray], torch.Tensor], images: Sequence[np.ndarray]) -> float:
    started = time.thread_time()
    for image in images:
        augment(image)
    return (time.thread_time() - started) / len(images)


def measured(name: str, size: int) -> dict[str, Any]:
    """One row: images a second of Augur and of torchvision, and the ratio."""
    line, theirs = _CASES[name]
    images = photographs(size)
    transform = theirs(size)
    ways = {
        "augur": build(parse_one_line(line), size, 2).augment,
        "tensors": _of_tensors(transform),
        "pillow": _of_pillow(transform),
    }
    for augment in ways.values():
        _seconds(augment, images[:8])
    turns = [{way: _seconds(augment, images) for way, augment in ways.items()} for _ in range(REPEATS)]
    per_second = {way: round(1 / statistics.median(turn[way] for turn in turns)) for way in ways}
    ratio = statistics.median(min(turn["tensors"], turn["pillow"]) / turn["augur"] for turn in turns)
    return {"operation": name, "size": size, **per_second, "ratio": round(ratio, 2)}


def run() -> dict[str, Any]:
    """Measure; takes about half a minute on one core.

    Returns:
        name, ratio (time of the faster way of torchvision over ours, for the judged policy at 224 px), target, met,
        and a row for each operation and size.
    """
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        rows = [measured(name, size) for size in SIZES for name in _CASES]
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    judged = next(row for row in rows if row["operation"] == JUDGED and row["size"] == max(SIZES))
    return {
        "name": "augmentation of one core at 224 px, against torchvision",
        "ratio": judged["ratio"],
        "target": TARGET,
        "met": judged["ratio"] >= TARGET,
        "images_per_second": judged["augur"],
        "rows": rows,
    }
