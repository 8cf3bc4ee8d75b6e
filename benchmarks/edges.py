"""How much of the old background is seen around subjects, with and without their outlines' own colours.

The subjects are known: an animal's shape, blurred as by a lens, of one texture before another. Each is cut out by its
mask, exact or a pixel too large or too small all around, and put on a third texture. The halo is the mean difference
along the outline, in CIELAB (2 is just visible), from the picture that the lens would have taken there.
"""

import json
import statistics
from typing import Any

import cv2
import numpy as np

from benchmarks.composites import Job, jobs
from tools.aga.composites.compose import paste
from tools.aga.composites.edges import without_old_background
from tools.aga.composites.placement import Placement

EDGE = 1.0
BLUR = 1.0
"""Standard deviation of the lens's blur in pixels."""
MASKS = {"exact": 0, "one_pixel_too_large": 1, "one_pixel_too_small": -1}
TARGET = 1.05


def halo(job: Job, behind: np.ndarray, off: int, estimated: bool) -> float:
    """Of one subject (`job.subject`, before `job.background`, put on `behind`); mean over its outline."""
    exact = job.mask.astype(np.uint8)
    share = cv2.GaussianBlur(exact.astype(np.float32), (0, 0), BLUR)[..., None]
    taken = _uint8(share * job.subject + (1 - share) * job.background)
    wanted = _uint8(share * job.subject + (1 - share) * behind)
    kernel = np.ones((3, 3), np.uint8)
    mask = cv2.dilate(exact, kernel) if off > 0 else cv2.erode(exact, kernel) if off < 0 else exact
    pixels = without_old_background(taken, mask > 0, EDGE) if estimated else taken
    made = paste(pixels, mask > 0, behind, Placement(), EDGE)
    outline = (share[..., 0] > 0.02) & (share[..., 0] < 0.98)
    return float(np.linalg.norm(_lab(made) - _lab(wanted), axis=2)[outline].mean())


def run() -> dict[str, Any]:
    """Measure; takes about 10 seconds on one core.

    Returns:
        name, ratio (halo of the source's colours over that of the estimated ones, exact masks), target, met, details.
    """
    todo = jobs()[::4]
    found = {}
    for name, off in MASKS.items():
        pairs = [
            (halo(job, other.background, off, False), halo(job, other.background, off, True))
            for job, other in zip(todo, todo[1:] + todo[:1], strict=True)
        ]
        found[name] = {
            "source": round(statistics.mean(source for source, _ in pairs), 2),
            "estimated": round(statistics.mean(estimated for _, estimated in pairs), 2),
        }
    ratio = found["exact"]["source"] / found["exact"]["estimated"]
    return {
        "name": "edges",
        "ratio": round(ratio, 3),
        "target": TARGET,
        "met": ratio >= TARGET,
        "details": {"halo": found, "subjects": len(todo), "edge": EDGE, "blur": BLUR},
    }


def _uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def _lab(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
