"""How often the recommendation is worse than no augmentation, and how much of the true gain it keeps, by simulation.

Studies are drawn whose true gains are known: a default policy and proposals whose gains are normal, trained under a few
seeds, on one sample of validation images that favours some of them by chance. Every image of every trial gets a margin
(the log odds of the right class), of which whether it is right and its log loss follow. The product's own rule chooses,
and so do the highest mean score and the lowest log loss. `python -m benchmarks.choice_rule [STUDIES]` prints the table
in docs/results.md; `--calibrate` gives the rule the losses after temperature scaling as well.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.length import scaled_losses
from evaluators.recommendation import Contender, ImageScores, Kind, recommend

STUDIES = 400
"""Of each situation."""
TARGET = 0.02
"""Largest share of studies whose recommendation is truly worse than no augmentation by more than `HARM`."""
HARM = 1.0
"""Points."""
_REFERENCE = 0.75
"""True accuracy of no augmentation."""
_SPREAD = 2.0
"""Standard deviation of an image's margin: of it and of all that is drawn for it."""


@dataclass(frozen=True)
class World:
    """What is true, in points of accuracy."""

    title: str
    middle: float
    """Mean true gain of the proposals."""
    spread: float
    """Standard deviation of their true gains."""
    default: float
    """True gain of the default policy."""
    misleading: float = 0.0
    """How far log loss misleads: standard deviation of the logarithm of how sure a contender's classifiers are."""


@dataclass(frozen=True)
class Noise:
    """How results of one contender differ by chance; standard deviations of margins."""

    title: str
    """In points: of one trial's accuracy over the seeds, and of a gain by the sample of images (as `evidence.py` finds
    them)."""
    of_trial: float
    """Of one training, for all images."""
    of_image: float
    """Of one contender, by image: what it finds hard."""
    of_rest: float
    """Of one training, by image."""
    images: int = 300
    seeds: int = 3


WORLDS = (
    World("nothing helps or harms", 0, 0, 0),
    World("proposals differ a little", 0, 1, 0),
    World("most harm, the default helps", -2, 1.5, 1),
    World("most harm, the default too", -4, 3, -4),
    World("all help a little", 2, 1, 3),
    World("few images, long training", 5, 2, 6.5),
    World("log loss misleads", 2, 2, 2, misleading=0.3),
)
NOISES = (
    Noise("1.1, 0.9", 0.02, 0.3, 0.3),
    Noise("1.5, 1.8", 0.05, 0.9, 0.5),
    Noise("2.2, 2.0", 0.1, 1.2, 0.8),
)
COUNTS = (6, 12, 24)
"""Proposals of a study."""


@dataclass(frozen=True)
class Drawn:
    """A study, and what is true of it."""

    contenders: Sequence[Contender]
    gains: Sequence[float]
    """True, over no augmentation, in points; in the order of the contenders."""


def draw_study(
    world: World, noise: Noise, count: int, draw: np.random.Generator, calibrate: bool = False
) -> Drawn:
    """No augmentation, a default and `count` proposals, under every seed of `noise`.

    With `calibrate`, the losses after temperature scaling are known as well.
    """
    from scipy.special import ndtr, ndtri

    gains = np.concatenate([[0.0, world.default], draw.normal(world.middle, world.spread, count)])
    accuracies = np.clip(_REFERENCE + gains / 100, 0.02, 0.98)
    quality = _SPREAD * ndtri(accuracies)
    difficulty = np.sqrt(_SPREAD**2 - noise.of_trial**2 - noise.of_image**2 - noise.of_rest**2)
    shape = (len(gains), noise.seeds, noise.images)
    margins = (
        quality[:, None, None]
        + draw.normal(0, noise.of_trial, shape[:2])[:, :, None]
        + draw.normal(0, difficulty, noise.images)
        + draw.normal(0, noise.of_image, (shape[0], 1, noise.images))
        + draw.normal(0, noise.of_rest, shape)
    )
    sureness = np.exp(draw.normal(0, world.misleading, len(gains)))
    losses = np.logaddexp(0, -sureness[:, None, None] * margins)
    names = ["none", "default", *(f"iteration {number}" for number in range(1, count + 1))]
    kinds: list[Kind] = ["none", "default", *("policy" for _ in range(count))]
    ids = np.arange(noise.images)
    contenders = [
        Contender(
            name,
            kind,
            {seed: float(row.mean()) for seed, row in enumerate(right)},
            {seed: float(row.mean()) for seed, row in enumerate(lost)},
            {seed: ImageScores(ids, lost[seed], right[seed]) for seed in range(noise.seeds)},
            _calibrated(sure * margin) if calibrate else {},
        )
        for name, kind, right, lost, sure, margin in zip(
            names, kinds, margins > 0, losses, sureness, margins, strict=True
        )
    ]
    return Drawn(contenders, tuple(100 * (ndtr(quality / _SPREAD) - _REFERENCE)))


def _calibrated(log_odds: np.ndarray) -> dict[int, np.ndarray]:
    """Seed → losses after temperature scaling, of the log odds of the right class, (seeds, images)."""
    right = 1 / (1 + np.exp(-log_odds))
    labels = np.zeros(log_odds.shape[1], dtype=np.int64)
    return {seed: scaled_losses(np.stack([row, 1 - row], axis=1), labels) for seed, row in enumerate(right)}


def choices(study: Drawn) -> tuple[float, float, float, float]:
    """True gain, in points, of: the product's recommendation, the highest mean, the lowest log loss, the truly best."""
    names = [each.name for each in study.contenders]
    chosen = study.gains[names.index(recommend(study.contenders).name)]
    scores = [np.mean(list(each.scores.values())) for each in study.contenders]
    losses = [np.mean(list(each.losses.values())) for each in study.contenders]
    return chosen, study.gains[int(np.argmax(scores))], study.gains[int(np.argmin(losses))], max(study.gains)


def measure(studies: int, calibrate: bool = False) -> list[dict[str, Any]]:
    """A row for each situation."""
    rows = []
    for world in WORLDS:
        for noise in NOISES:
            for count in COUNTS:
                draw = np.random.default_rng([len(rows), studies])
                found = np.array(
                    [choices(draw_study(world, noise, count, draw, calibrate)) for _ in range(studies)]
                )
                names = ("rule", "highest_mean", "lowest_loss", "best")
                rows.append(
                    {"world": world.title, "noise": noise.title, "proposals": count}
                    | {f"gain_{name}": float(found[:, at].mean()) for at, name in enumerate(names)}
                    | {
                        f"harmful_{name}": float((found[:, at] < -HARM).mean())
                        for at, name in enumerate(names[:3])
                    }
                )
    return rows


def run(studies: int = STUDIES) -> dict[str, Any]:
    """Simulate every situation; the target holds up to the noise of the tables of real trainings."""
    rows = measure(studies)
    within = [row for row in rows if row["noise"] != NOISES[-1].title]
    worst, highest = (max(row[f"harmful_{name}"] for row in within) for name in ("rule", "highest_mean"))
    return {
        "name": "choice rule: largest share of harmful recommendations, against picking the highest mean",
        "ratio": worst / highest if highest else 0.0,
        "target": f"at most {100 * TARGET:g}% harmful",
        "met": worst <= TARGET + 2 * np.sqrt(TARGET / studies),
        "worst": worst,
        "rows": rows,
    }


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The table of docs/results.md."""
    lines = [
        "| what is true | noise | proposals | gain: rule | highest mean | lowest loss | best | harmful: rule | highest "
        "mean | lowest loss |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        gains = " | ".join(
            f"{row[f'gain_{name}']:+.1f}" for name in ("rule", "highest_mean", "lowest_loss", "best")
        )
        harm = " | ".join(
            f"{100 * row[f'harmful_{name}']:.1f}%" for name in ("rule", "highest_mean", "lowest_loss")
        )
        lines.append(f"| {row['world']} | {row['noise']} | {row['proposals']} | {gains} | {harm} |")
    return "\n".join(lines).replace("-", "−").replace("−−−", "---")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    print(as_markdown(measure(numbers[0] if numbers else STUDIES, "--calibrate" in sys.argv)))
