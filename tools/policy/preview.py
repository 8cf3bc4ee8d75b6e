"""What a policy does to images: a contact sheet, and statistics in words for models that cannot see."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from tools.errors import ConfigurationError
from tools.policy.built_policy import build
from tools.policy.canonical import canonical_policy, one_line
from tools.policy.policy import Policy
from tools.policy.transforms import as_array
from tools.sheet import SheetRow, draw_sheet

_TILE = 128
"""Least side of a tile in pixels; smaller images are enlarged by a whole factor, so that their pixels show."""
_LARGEST_TILE = 224
_LABEL_WIDTH = 62


def contact_sheet(
    images: np.ndarray, labels: Sequence[str], policy: Policy, path: Path, seed: int, rows: int = 4
) -> None:
    """Write a PNG: the images in a row, and beneath them `rows` augmented versions of each.

    An operation on the batch mixes the columns, and each tile then says what its soft label is. Of a policy by epoch,
    each phase has at least one of the rows.

    Args:
        images: uint8 (N, S, S, 3), RGB, one column each; 6 to 10 read best.
        labels: N class names.
        policy: a valid policy.
        path: where the PNG is written; its folder must exist.
        seed: of the augmentation. The global generator is left unchanged.
        rows: augmented rows.

    Raises:
        ConfigurationError: the policy is not valid, or the number of labels is not that of the images.
    """
    if len(labels) != len(images) or len(images) == 0:
        raise ConfigurationError(
            f"a contact sheet of {len(images)} images needs one label for each, not {len(labels)}"
        )
    classes = list(dict.fromkeys(labels))
    numbers = torch.tensor([classes.index(label) for label in labels])
    phases = canonical_policy(policy).phases
    views = [
        (first, number, view)
        for first, phase in phases
        for number, view in enumerate(
            _versions(images, numbers, len(classes), phase, seed, max(1, rows // len(phases))), start=1
        )
    ]
    rows_of_tiles = [SheetRow(list(images), "original", captions=[[label] for label in labels])]
    rows_of_tiles += [
        SheetRow(
            list(pixels),
            f"view {number}" if len(phases) == 1 else f"epoch {first}",
            captions=[_caption(classes, share) for share in shares],
        )
        for first, number, (pixels, shares) in views
    ]
    side = images.shape[1]
    tile = side * max(1, -(-_TILE // side)) if side <= _LARGEST_TILE else _LARGEST_TILE
    draw_sheet(one_line(policy), rows_of_tiles, tile, label_width=_LABEL_WIDTH).save(path, format="PNG")


def preview_statistics(images: np.ndarray, policy: Policy, seed: int) -> str:
    """What the policy does to the pixels of some images, in a few lines of text; grey levels are 0 to 255.

    Args:
        images: uint8 (N, S, S, 3), RGB.
        policy: a valid policy. An operation on the batch is skipped: it only mixes images.
        seed: of the augmentation. The global generator is left unchanged.

    Raises:
        ConfigurationError: the policy is not valid.
    """
    built = build(policy, images.shape[1], classes=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        augmented = np.stack([as_array(built.augment(image)) for image in images])
    before, after = images.astype(np.float64), augmented.astype(np.float64)
    changes = np.abs(after - before).mean(axis=(1, 2, 3))
    likeness = [_correlation(one, other) for one, other in zip(before, after, strict=True)]
    lines = [
        f"policy: {one_line(policy)}",
        f"{len(images)} training images of {images.shape[1]} px, each augmented once:",
        f"- mean of R, G, B: {_triple(before.mean(axis=(0, 1, 2)))} -> {_triple(after.mean(axis=(0, 1, 2)))}",
        f"- contrast (standard deviation within an image): {_spread(before):.0f} -> {_spread(after):.0f}",
        f"- mean absolute change of a pixel: {changes.mean():.1f} (least changed image {changes.min():.1f}, most "
        f"{changes.max():.1f}); {np.mean(changes == 0):.0%} of the images unchanged",
        f"- correlation with the original: mean {np.mean(likeness):.2f}, lowest {np.min(likeness):.2f}",
        f"- sharpness (variance of the Laplacian): {_sharpness(images):.0f} -> {_sharpness(augmented):.0f}",
        f"- pixels at or near black (all channels <= 5): {_dark(images):.1%} -> {_dark(augmented):.1%}",
        f"- pixels with a channel at 255: {_saturated(images):.1%} -> {_saturated(augmented):.1%}",
    ]
    if built.has_mix:
        lines.append("- the operation on the batch then mixes pairs of these images and their labels")
    return "\n".join(lines)


def _versions(
    images: np.ndarray, labels: torch.Tensor, classes: int, policy: Policy, seed: int, rows: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each row the augmented images, uint8 (N, S, S, 3), and their soft labels, float (N, classes)."""
    built = build(policy, images.shape[1], classes)
    versions = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(rows):
            batch = torch.stack([built.augment(image) for image in images]).float()
            mixed, soft = built.mix(batch, labels)
            pixels = mixed.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
            versions.append((pixels.numpy(), soft.numpy()))
    return versions


def _caption(classes: Sequence[str], shares: np.ndarray) -> list[str]:
    """Lines beneath a tile: none where the label is one class, else 'cat 70%' and 'dog 30%'."""
    held = [(share, name) for share, name in zip(shares, classes, strict=True) if share >= 0.005]
    return [f"{name} {share:.0%}" for share, name in sorted(held, reverse=True)] if len(held) > 1 else []


def _triple(values: np.ndarray) -> str:
    return "/".join(f"{value:.0f}" for value in values)


def _spread(images: np.ndarray) -> float:
    return float(images.std(axis=(1, 2)).mean())


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's r over all pixels; where an image is flat and r undefined, 1 if both are equal, else 0."""
    if one.std() == 0 or other.std() == 0:
        return float(np.array_equal(one, other))
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _sharpness(images: np.ndarray) -> float:
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    return float(np.mean([cv2.Laplacian(image, cv2.CV_64F).var() for image in grey]))


def _dark(images: np.ndarray) -> float:
    return float((images.max(axis=-1) <= 5).mean())


def _saturated(images: np.ndarray) -> float:
    return float((images.max(axis=-1) == 255).mean())
