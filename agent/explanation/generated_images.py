"""How close the synthetic images that the winner was trained with come to the real ones."""

from typing import Any

import numpy as np

from agent.explanation.work import Work
from evaluators.explanation import Generated
from evaluators.frozen import NEITHER, frozen_features
from evaluators.generated import FEWEST, closeness
from tools.training.synthetic import PIXELS, Synthetic

_MOST = 1000
"""Images of each kind at most."""


def compare_generated(work: Work) -> dict[str, Any]:
    """Compare them in the features of the frozen backbone; nothing where there are none, or too few."""
    synthetic = work.pair.winner.specs[work.seeds[0]].synthetic
    if synthetic is None:
        return {}
    backbone = work.backbone
    if backbone is None:
        work.notes.append(f"The synthetic images are not compared with the real ones: there is {NEITHER}.")
        return {}
    made, real = _pixels(synthetic), work.context.data.split("train").images
    half = _count(work, made)
    if half < FEWEST:
        work.notes.append(
            f"The synthetic images are not compared with the real ones: that needs {FEWEST} of them and {2 * FEWEST} "
            "training images."
        )
        return {}
    # Drawn once and for all: one half of the real images stands for what is real, the other for what is as good.
    order = np.random.default_rng(work.context.config.search.seed).permutation(len(real))
    some = np.linspace(0, len(made) - 1, half).round().astype(np.int64)
    images = [real[np.sort(order[:half])], real[np.sort(order[half : 2 * half])], made[some]]

    def told(done: int) -> None:
        work.context.terminal.progress("features of images", done, 3 * half)

    every = np.concatenate([np.asarray(each) for each in images])
    first, second, third = np.split(frozen_features(backbone, every, work.device, told), 3)
    synthetic_ones, real_ones = closeness(third, first), closeness(second, first)
    return {
        "generated": Generated(
            backbone=backbone.title,
            images=half,
            frechet=synthetic_ones.frechet,
            frechet_of_real=real_ones.frechet,
            density=synthetic_ones.density,
            density_of_real=real_ones.density,
            coverage=synthetic_ones.coverage,
            coverage_of_real=real_ones.coverage,
            copies=synthetic_ones.copies,
            copies_of_real=real_ones.copies,
        )
    }


def generated_seconds(work: Work) -> float:
    """About how long it takes."""
    synthetic = work.pair.winner.specs[work.seeds[0]].synthetic
    if synthetic is None or work.backbone is None:
        return 0.0
    return 2.0 + 3 * _count(work, _pixels(synthetic)) * work.seconds_per_feature


def _pixels(synthetic: Synthetic) -> np.ndarray:
    return np.load(synthetic.folder / PIXELS, mmap_mode="r")


def _count(work: Work, made: np.ndarray) -> int:
    """Images of each kind: synthetic ones, and halves of the real ones."""
    return min(len(work.context.data.split("train").images) // 2, len(made), _MOST)
