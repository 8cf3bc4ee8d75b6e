"""Two candidates on corrupted test images: accuracy by corruption and severity, and the mean corruption error."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from evaluators.explanation import CorruptionLine, Corruptions, Measured
from evaluators.robustness.corruptions import SEVERITIES, corrupt, corruptions_of
from evaluators.statistics import interval_over_both

Correct = Callable[[np.ndarray], np.ndarray]
"""uint8 (N, S, S, 3) → bool (N,): which of the images, always the same ones, a classifier gets right."""


def measure_corruptions(
    reference: Mapping[int, Correct],
    winner: Mapping[int, Correct],
    images: np.ndarray,
    groups: Sequence[str] | None = None,
    corruptions: Sequence[str] | None = None,
    labels: np.ndarray | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Corruptions:
    """Both candidates on the same corrupted images; each corruption is made once for all classifiers.

    The mean corruption error follows Hendrycks and Dietterich (2019), with the reference in AlexNet's place: errors of
    the winner over those of the reference, all severities of a corruption together, then the mean over corruptions.

    Args:
        reference: seed → classifier.
        winner: the same under the same seeds.
        images: uint8 (N, S, S, 3), as they are.
        groups: of each image, where images belong together.
        corruptions: of `CORRUPTIONS`; None: all that change these images.
        labels: int (N,), whose commonest class is right by chance.
        progress: told of each severity of each corruption.
    """
    seeds = sorted(reference.keys() & winner.keys())
    if not seeds or not len(images):
        raise ValueError("both candidates need a classifier under one seed, and there must be an image")

    def correct(changed: np.ndarray) -> np.ndarray:
        """float (2, seeds, N)."""
        return np.stack([[each[seed](changed) for seed in seeds] for each in (reference, winner)]).astype(
            np.float64
        )

    if corruptions is None:
        corruptions = corruptions_of(images)
    clean = correct(images)
    lines, total, done = [], len(corruptions) * SEVERITIES, 0
    corrupted = np.zeros_like(clean)
    for name in corruptions:
        accuracies: list[np.ndarray] = []
        for severity in range(1, SEVERITIES + 1):
            changed = np.stack(
                [corrupt(image, name, severity, number) for number, image in enumerate(images)]
            )
            found = correct(changed)
            corrupted += found / total
            accuracies.append(found.mean(axis=(1, 2)))
            done += 1
            progress(done, total)
        before, after = np.array(accuracies).T
        errors = float((1 - before).sum())
        lines.append(
            CorruptionLine(
                name=name,
                reference=before.tolist(),
                winner=after.tolist(),
                relative_error=float((1 - after).sum()) / errors if errors > 0 else None,
            )
        )
    relative = [line.relative_error for line in lines if line.relative_error is not None]
    return Corruptions(
        images=len(images),
        seeds=len(seeds),
        clean_reference=float(clean[0].mean()),
        clean_winner=float(clean[1].mean()),
        mean_error=float(np.mean(relative)) if relative else None,
        gain=Measured.of(interval_over_both(corrupted[1], corrupted[0], groups)),
        lines=lines,
        chance=None if labels is None else float(np.bincount(labels).max() / len(labels)),
    )
