"""Composites per second on one core at 224 px, against a plain Pillow script that does the same.

Both cut out the same subjects by the same masks, mirror, rotate, scale and move them in the same way, soften the edge
over the same width, and paste them on the same backgrounds, from memory to memory. The script is what one writes by
hand: an RGBA image is mirrored, resized, rotated with expand, its alpha shrunk by MinFilter and smoothed by BoxBlur,
and pasted; bilinear throughout. The two take turns, and each goes first every other time. What is timed is the picture
alone, as in `agent generate`; that both place the mask alike is checked before.
"""

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.aga.composites.compose import composite, paste
from tools.aga.composites.placement import Placement, draw_placement

SIZE = 224
COUNT = 200
"""Composites in a turn."""
REPEATS = 21
EDGE = 1.0
TARGET = 10.0
FLIP, ROTATION, SMALLEST, LARGEST = 0.5, 30.0, 0.7, 1.2


@dataclass(frozen=True, eq=False)
class Job:
    subject: np.ndarray
    mask: np.ndarray
    background: np.ndarray
    placement: Placement


def jobs() -> list[Job]:
    """Subjects of the shape and size that photographs of animals have: a body with limbs, 5 to 30% of the image."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(COUNT):
        mask = _animal(rng)
        placement = draw_placement(rng, mask, FLIP, ROTATION, SMALLEST, LARGEST, "random")
        made.append(Job(_picture(rng), mask, _picture(rng), placement))
    return made


def _animal(rng: np.random.Generator) -> np.ndarray:
    image = Image.new("1", (SIZE, SIZE))
    draw = ImageDraw.Draw(image)
    x, y = rng.uniform(90, 134, 2)
    wide, tall = rng.uniform(30, 60), rng.uniform(18, 36)
    draw.ellipse((x - wide, y - tall, x + wide, y + tall), fill=1)
    for offset in np.linspace(-0.7, 0.7, 4):
        foot = x + offset * wide + rng.uniform(-12, 12), y + tall + rng.uniform(8, 24)
        draw.line((x + offset * wide, y, *foot), fill=1, width=int(rng.integers(3, 9)))
    return np.asarray(image)


def _picture(rng: np.random.Generator) -> np.ndarray:
    coarse = Image.fromarray(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8))
    return np.asarray(coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def with_pillow(job: Job) -> np.ndarray:
    """As written by hand."""
    picture, _, _ = _by_pillow(job)
    return np.asarray(picture)


def _by_pillow(job: Job) -> tuple[Image.Image, Image.Image, tuple[int, int]]:
    """The picture; the subject's opacity, and where its corner lies."""
    placement = job.placement
    mask = Image.fromarray(job.mask)
    box = mask.getbbox() or (0, 0, SIZE, SIZE)
    cut = Image.fromarray(job.subject).crop(box)
    cut.putalpha(mask.crop(box).convert("L"))
    if placement.flip:
        cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    bilinear = Image.Resampling.BILINEAR
    cut = cut.resize((round(cut.width * placement.scale), round(cut.height * placement.scale)), bilinear)
    cut = cut.rotate(placement.rotation, bilinear, expand=True)
    alpha = cut.getchannel("A")
    x = round((box[0] + box[2]) / 2 + placement.dx - cut.width / 2)
    y = round((box[1] + box[3]) / 2 + placement.dy - cut.height / 2)
    picture = Image.fromarray(job.background)
    picture.paste(cut, (x, y), alpha.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.BoxBlur(EDGE)))
    return picture, alpha, (x, y)


_OUT = np.empty((SIZE, SIZE, 3), np.uint8)


def with_paste(job: Job) -> np.ndarray:
    return paste(job.subject, job.mask, job.background, job.placement, EDGE, _OUT)


def _turn(make: Callable[[Job], np.ndarray], todo: Sequence[Job]) -> float:
    started = time.thread_time()
    for job in todo:
        make(job)
    return time.thread_time() - started


def _agreement(todo: Sequence[Job]) -> tuple[float, float]:
    """Median over the jobs of: IoU of the two placed masks; mean difference of the two pictures in grey levels."""
    overlaps, differences = [], []
    for job in todo:
        one, mask = composite(job.subject, job.mask, job.background, job.placement, EDGE)
        other, alpha, corner = _by_pillow(job)
        placed = Image.new("L", (SIZE, SIZE))
        placed.paste(alpha, corner)
        other_mask = np.asarray(placed) >= 128
        overlaps.append((mask & other_mask).sum() / (mask | other_mask).sum())
        differences.append(np.abs(one.astype(int) - np.asarray(other)).mean())
    return statistics.median(overlaps), statistics.median(differences)


def run() -> dict[str, Any]:
    """Measure; takes about 10 seconds on one core.

    Returns:
        name, ratio (Pillow's seconds over paste's, median of the pairs), target, met, details.
    """
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        todo = jobs()
        overlap, difference = _agreement(todo)  # which also warms up both
        pairs = []
        for repeat in range(REPEATS):
            turns = [with_paste, with_pillow] if repeat % 2 else [with_pillow, with_paste]
            seconds = {make: _turn(make, todo) for make in turns}
            pairs.append((seconds[with_paste], seconds[with_pillow]))
    finally:
        cv2.setNumThreads(threads)
    ratios = [plain / ours for ours, plain in pairs]
    low, middle, high = np.percentile(ratios, [25, 50, 75]).tolist()
    return {
        "name": "composites",
        "ratio": round(middle, 3),
        "target": TARGET,
        "met": middle >= TARGET,
        "details": {
            "ratio": {"median": round(middle, 3), "q1": round(low, 3), "q3": round(high, 3)},
            "composites_per_second": round(COUNT / statistics.median(ours for ours, _ in pairs)),
            "pillow_per_second": round(COUNT / statistics.median(plain for _, plain in pairs)),
            "mask_iou": round(overlap, 4),
            "mean_difference_grey_levels": round(difference, 3),
            "image_size": SIZE,
            "edge": EDGE,
            "max_rotation": ROTATION,
            "scale": [SMALLEST, LARGEST],
            "composites": COUNT,
            "repeats": REPEATS,
        },
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
