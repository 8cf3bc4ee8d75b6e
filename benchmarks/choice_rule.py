"""How often the recommendation is worse than no augmentation, and how much of the true gain it keeps, by simulation.

Studies are drawn with true gains that are known: a default policy and proposals whose gains are normal, trained under
a few seeds, on one validation set whose sample of images favours some by chance. The product's own rule chooses, and so
does picking the highest mean. `python -m benchmarks.choice_rule [STUDIES]` prints the table in docs/results.md.
"""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.recommendation import Contender, recommend

STUDIES = 1_000
"""Of each situation."""
SEEDS = 4
TARGET = 0.02
"""Largest share of studies whose recommendation is truly worse than no augmentation by more than `HARM`."""
HARM = 1.0
"""Points."""


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


WORLDS = (
    World("nothing helps or harms", 0, 0, 0),
    World("proposals differ a little", 0, 1, 0),
    World("most harm, the default helps", -2, 1.5, 1),
    World("most harm, the default too", -4, 3, -4),
    World("all help a little", 2, 1, 3),
    World("few images, long training", 5, 2, 6.5),
)
NOISES = ((0.5, 0.5), (1.5, 1.8), (2.0, 2.0))
"""(standard deviation between seeds, standard error by the sample of images), in points."""
COUNTS = (8, 20)
"""Proposals of a study."""


def study(
    world: World, noise: tuple[float, float], count: int, draw: np.random.Generator
) -> tuple[float, float, float]:
    """True gain, in points, of: the product's recommendation, the highest mean, the truly best (or none)."""
    true = np.concatenate([[0.0, world.default], draw.normal(world.middle, world.spread, count)])
    between_seeds, by_images = noise
    luck = draw.normal(0, by_images / np.sqrt(2), len(true))
    shared = draw.normal(0, between_seeds, SEEDS)
    seen = (true + luck)[:, None] + shared + draw.normal(0, between_seeds, (len(true), SEEDS))
    names = ["none", "default", *(f"iteration {number}" for number in range(count))]
    kinds = ["none", "default", *["policy"] * count]
    made = [
        Contender(name, kind, dict(enumerate(scores / 100)), {})  # type: ignore[arg-type]
        for name, kind, scores in zip(names, kinds, seen, strict=True)
    ]
    chosen = recommend(made).name
    return float(true[names.index(chosen)]), float(true[seen.mean(1).argmax()]), float(true.max())


def measure(studies: int) -> list[dict[str, Any]]:
    """A row for each situation."""
    rows = []
    for world in WORLDS:
        for noise in NOISES:
            for count in COUNTS:
                draw = np.random.default_rng([len(rows), studies])
                found = np.array([study(world, noise, count, draw) for _ in range(studies)])
                mean, harmful = found.mean(0), (found < -HARM).mean(0)
                rows.append(
                    {
                        "world": world.title,
                        "between_seeds": noise[0],
                        "by_images": noise[1],
                        "proposals": count,
                        "gain": round(float(mean[0]), 2),
                        "gain_of_highest_mean": round(float(mean[1]), 2),
                        "gain_of_best": round(float(mean[2]), 2),
                        "harmful": round(float(harmful[0]), 4),
                        "harmful_of_highest_mean": round(float(harmful[1]), 4),
                    }
                )
    return rows


def run(studies: int = STUDIES) -> dict[str, Any]:
    """Simulate every situation."""
    rows = measure(studies)
    worst = max(row["harmful"] for row in rows)
    highest = max(row["harmful_of_highest_mean"] for row in rows)
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
        "| what is true | σ seeds, images | proposals | gain: rule | highest mean | best | harmful: rule | highest |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r['world']} | {r['between_seeds']:g}, {r['by_images']:g} | {r['proposals']} | {r['gain']:+.1f} | "
        f"{r['gain_of_highest_mean']:+.1f} | {r['gain_of_best']:+.1f} | {100 * r['harmful']:.1f}% | "
        f"{100 * r['harmful_of_highest_mean']:.1f}% |"
        for r in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown(measure(int(sys.argv[1]) if len(sys.argv) > 1 else STUDIES)))
