"""Corruptions in the spirit of ImageNet-C (Hendrycks and Dietterich 2019), each at five severities.

The severities are those published for 224 px; lengths (radii, shifts, block sizes) are scaled to the image's side. The
kernels are OpenCV's. Frost, snow, spatter and glass blur are left out: the first needs photographs, and the others are
close to what is here. An image without colour gets none: its noise is the same in red, green and blue.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from tools.datasets.grey import have_no_colour

SEVERITIES = 5
_SIDE = 224
"""For which lengths were published."""

Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
"""Image float (S, S, 3) in 0..1, severity 0..4, random numbers → float (S, S, 3), cut to 0..1 by the caller."""


def corrupt(image: np.ndarray, name: str, severity: int, seed: int) -> np.ndarray:
    """One corrupted image: a function of the arguments alone.

    Args:
        image: uint8 (S, S, 3), RGB.
        name: of `CORRUPTIONS`.
        severity: 1 to 5.
        seed: of the image.

    Returns:
        uint8 (S, S, 3).
    """
    if name not in CORRUPTIONS or not 1 <= severity <= SEVERITIES:
        raise ValueError(
            f"no corruption {name!r} of severity {severity}: known are {', '.join(CORRUPTIONS)}, 1 to 5"
        )
    rng = np.random.default_rng([seed, list(CORRUPTIONS).index(name), severity])
    given = image.astype(np.float64) / 255
    if name in _NOISES and have_no_colour(image):
        given = given[..., :1]
    found = CORRUPTIONS[name](given, severity - 1, rng)
    return np.broadcast_to(np.round(np.clip(found, 0, 1) * 255).astype(np.uint8), image.shape).copy()


def _gaussian_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    return image + rng.normal(0, (0.08, 0.12, 0.18, 0.26, 0.38)[severity], image.shape)


def _shot_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    photons = (60, 25, 12, 5, 3)[severity]
    return rng.poisson(image * photons) / photons


def _impulse_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    drawn, share = rng.random(image.shape), (0.03, 0.06, 0.09, 0.17, 0.27)[severity]
    return np.where(drawn < share / 2, 0.0, np.where(drawn > 1 - share / 2, 1.0, image))


def _speckle_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    return image + image * rng.normal(0, (0.15, 0.2, 0.35, 0.45, 0.6)[severity], image.shape)


def _gaussian_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    sigma = _scaled(image, (1, 2, 3, 4, 6)[severity])
    return cv2.GaussianBlur(image, (0, 0), sigma)


def _defocus_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    radius = _scaled(image, (3, 4, 6, 8, 10)[severity])
    return cv2.filter2D(image, -1, _disk(radius), borderType=cv2.BORDER_REFLECT_101)


def _motion_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    radius, sigma = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))[severity]
    half = max(1.0, _scaled(image, radius))
    angle = math.radians(rng.uniform(-45, 45))
    side = 2 * math.ceil(half) + 1
    kernel = np.zeros((side, side))
    for step in np.linspace(0, half, 8 * side):  # to one side, as a camera that moves
        weight = math.exp(-(step**2) / (2 * max(_scaled(image, sigma), 0.5) ** 2))
        x, y = step * math.cos(angle) + side // 2, step * math.sin(angle) + side // 2
        kernel[min(side - 1, round(y)), min(side - 1, round(x))] += weight
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101)


def _zoom_blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    largest, step = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))[severity]
    side = image.shape[0]
    factors = np.arange(1, largest, step)
    total = image.copy()
    for factor in factors:
        turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), 0, float(factor))
        total += cv2.warpAffine(image, turn, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    return total / (len(factors) + 1)


def _fog(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    strength, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity]
    brightest = float(image.max())
    haze = strength * _clouds(image.shape[0], decay, rng)[..., None]
    return (image + haze) * brightest / max(brightest + strength, 1e-6)


def _brightness(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] + (0.1, 0.2, 0.3, 0.4, 0.5)[severity], 0, 1)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float64)


def _contrast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    mean = image.mean(axis=(0, 1), keepdims=True)
    return (image - mean) * (0.4, 0.3, 0.2, 0.1, 0.05)[severity] + mean


def _saturate(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    times, more = ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2))[severity]
    hsv = cv2.cvtColor(image.astype(np.float32), cv2.COLOR_RGB2HSV)
    grey = hsv[..., 1] < 1e-6  # which have no hue to saturate
    hsv[..., 1] = np.where(grey, hsv[..., 1], np.clip(hsv[..., 1] * times + more, 0, 1))
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.float64)


def _elastic_transform(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    # published for a side of 244: (strength, smoothness) of the displacement, and the most that corners move
    strength, smooth, corner = (
        (488, 170.8, 24.4), (488, 19.52, 48.8), (12.2, 2.44, 4.88), (17.08, 2.44, 4.88), (29.28, 2.44, 4.88),
    )[severity]  # fmt: skip
    side = image.shape[0]
    scale = side / 244
    centre, third = side / 2, side / 3
    before = np.array(
        [
            (centre + third, centre + third),
            (centre + third, centre - third),
            (centre - third, centre - third),
        ],
        dtype=np.float32,
    )
    after = before + rng.uniform(-corner * scale, corner * scale, before.shape).astype(np.float32)
    moved = cv2.warpAffine(
        image, cv2.getAffineTransform(before, after), (side, side), borderMode=cv2.BORDER_REFLECT_101
    )
    sigma = max(smooth * scale, 0.5)
    shift = [
        cv2.GaussianBlur(rng.uniform(-1, 1, (side, side)), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        * strength
        * scale
        for _ in range(2)
    ]
    rows, columns = np.mgrid[:side, :side]
    x, y = (columns + shift[0]).astype(np.float32), (rows + shift[1]).astype(np.float32)
    return cv2.remap(moved, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def _pixelate(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    side = image.shape[0]
    small = max(1, int(side * (0.6, 0.5, 0.4, 0.3, 0.25)[severity]))
    shrunk = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_NEAREST)


def _jpeg(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    quality = (25, 18, 15, 10, 7)[severity]
    pixels = np.round(image[..., ::-1] * 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))[..., ::-1].astype(np.float64) / 255


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian noise": _gaussian_noise,
    "shot noise": _shot_noise,
    "impulse noise": _impulse_noise,
    "speckle noise": _speckle_noise,
    "gaussian blur": _gaussian_blur,
    "defocus blur": _defocus_blur,
    "motion blur": _motion_blur,
    "zoom blur": _zoom_blur,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "saturate": _saturate,
    "elastic transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg": _jpeg,
}
"""In the order of the tables."""
_NOISES = tuple(name for name in CORRUPTIONS if name.endswith("noise"))
_OF_COLOUR = ("saturate",)


def corruptions_of(images: np.ndarray) -> list[str]:
    """Names of the `CORRUPTIONS` that change images, uint8 (N, S, S, 3): without colour, saturation has no effect."""
    grey = have_no_colour(images)
    return [name for name in CORRUPTIONS if not (grey and name in _OF_COLOUR)]


def _scaled(image: np.ndarray, length: float) -> float:
    """A length published for 224 px, in an image of another side; at least a third of a pixel."""
    return max(length * image.shape[0] / _SIDE, 0.34)


def _disk(radius: float) -> np.ndarray:
    """A disk whose border pixels count by the share that it covers; its sum is 1."""
    half = math.ceil(radius)
    fine = (np.arange((2 * half + 1) * 9) + 0.5) / 9 - half - 0.5
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 <= max(radius, 0.6) ** 2).astype(np.float64)
    side = 2 * half + 1
    kernel = inside.reshape(side, 9, side, 9).mean(axis=(1, 3))
    return kernel / kernel.sum()


def _clouds(side: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Plasma clouds, float (side, side) in 0..1: sums of noise of finer and finer grain, each `decay` times weaker."""
    total, weight, grain = np.zeros((side, side)), 1.0, 2
    while grain <= 2 * side:
        noise = rng.uniform(-1, 1, (grain + 1, grain + 1))
        total += weight * cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
        weight, grain = weight / decay, grain * 2
    total -= total.min()
    return total / max(float(total.max()), 1e-9)
