"""The final comparison on the sealed test set, and the report written from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluators.statistics import (
    Interval,
    Verdict,
    image_interval,
    mean_interval,
    paired_difference,
)
from evaluators.wording import gain
from tools.training.types import Predictions


@dataclass(frozen=True)
class TestScores:
    """One arm on the test set, by seed. Scores are 0..1."""

    __test__ = False  # pytest must not collect it

    accuracy: Mapping[int, float]
    macro_f1: Mapping[int, float]
    correct: Mapping[int, np.ndarray]
    """Seed → bool (images,): which test images were classified correctly, in the data set's order."""
    per_class_recall: Mapping[int, tuple[float | None, ...]] = field(default_factory=dict)
    quadratic_kappa: Mapping[int, float] = field(default_factory=dict)
    """Only where labels are ordinal."""

    @classmethod
    def of(cls, predictions: Mapping[int, Predictions]) -> "TestScores":
        """From the predictions under each seed."""
        return cls(
            accuracy={seed: p.scores.accuracy for seed, p in predictions.items()},
            macro_f1={seed: p.scores.macro_f1 for seed, p in predictions.items()},
            correct={seed: p.probabilities.argmax(axis=1) == p.labels for seed, p in predictions.items()},
            per_class_recall={seed: p.scores.per_class_recall for seed, p in predictions.items()},
            quadratic_kappa={
                seed: p.scores.quadratic_kappa
                for seed, p in predictions.items()
                if p.scores.quadratic_kappa is not None
            },
        )


@dataclass(frozen=True)
class Comparison:
    """One arm of the final table. Differences are to the reference, in accuracy (0..1)."""

    name: str
    policy: str
    validation: Interval | None
    test: Interval | None
    macro_f1: Interval | None
    kappa: Interval | None
    verdict: Verdict | None
    """None for the reference itself."""
    role: str
    """'reference', 'baseline', 'chosen', 'ablation', or 'finalist', which is never tested."""


def compare(
    name: str,
    policy: str,
    role: str,
    validation: Mapping[int, float],
    test: TestScores | None,
    reference: TestScores | None,
    groups: Sequence[str] | None,
) -> Comparison:
    """Compare one arm with the reference, over the seeds that both have.

    Args:
        name: of the arm.
        policy: its one-line form.
        role: 'reference', 'baseline', 'chosen', 'ablation' or 'finalist'.
        validation: seed → validation accuracy.
        test: its test scores; None where it was not tested.
        reference: those of the reference; None for the reference itself.
        groups: group of each test image; None where every image is its own.
    """
    verdict = None
    if test is not None and reference is not None:
        seeds = sorted(test.correct.keys() & reference.correct.keys())
        over_seeds = paired_difference(test.accuracy, reference.accuracy)
        if over_seeds is not None:
            treated = np.mean([test.correct[seed] for seed in seeds], axis=0)
            control = np.mean([reference.correct[seed] for seed in seeds], axis=0)
            verdict = Verdict(over_seeds, image_interval(treated, control, groups))
    return Comparison(
        name=name,
        policy=policy,
        role=role,
        validation=mean_interval(list(validation.values())) if validation else None,
        test=mean_interval(list(test.accuracy.values())) if test and test.accuracy else None,
        macro_f1=mean_interval(list(test.macro_f1.values())) if test and test.macro_f1 else None,
        kappa=mean_interval(list(test.quadratic_kappa.values())) if test and test.quadratic_kappa else None,
        verdict=verdict,
    )


@dataclass(frozen=True)
class IterationLine:
    """One row of the table of the search."""

    name: str
    policy: str
    mean: float | None
    std: float | None
    gain: float | None
    interval: tuple[float, float] | None
    verdict: str
    hypothesis: str
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShiftTable:
    """The final comparison on another data set of the same classes."""

    name: str
    title: str
    images: int
    warnings: Sequence[str]
    comparisons: Sequence[Comparison]
    sentence: str


@dataclass(frozen=True)
class Report:
    """Everything that the report says."""

    study: str
    title: str
    facts: Sequence[tuple[str, str]]
    """(name, value) lines on data, model, recipe, arm, seeds."""
    warnings: Sequence[str]
    iterations: Sequence[IterationLine]
    comparisons: Sequence[Comparison]
    sentence: str
    why_stopped: str
    ledger: str
    python: str | None
    """The chosen policy as a torchvision snippet."""
    recall: Sequence[tuple[str, float | None, float | None]]
    """(class, reference, chosen): mean recall on the test set."""
    test_images: int
    test_groups: int
    shifts: Sequence[ShiftTable] = ()


def interval_percent(interval: Interval | None) -> str:
    """'93.4 [92.1, 94.7]' in percent, or a dash."""
    if interval is None:
        return "–"
    if interval.low is None or interval.high is None:
        return _score(interval.mean)
    return f"{_score(interval.mean)} [{_score(interval.low)}, {_score(interval.high)}]"


def interval_points(interval: Interval | None) -> str:
    """'+1.2 [−0.3, +2.7]' in accuracy points, or a dash."""
    if interval is None:
        return "–"
    return gain(interval.mean, (interval.low, interval.high))


def write_markdown(report: Report, path: Path) -> None:
    """Write `report` as Markdown."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": interval_percent,
        "points": interval_points,
        "score": _score,
        "gain": gain,
        "cell": _cell,
    }
    path.write_text(environment.get_template("report.md.j2").render(report=report), encoding="utf-8")


def plot_search(report: Report, path: Path, reference: tuple[float, float] | None) -> None:
    """Plot the search: every iteration's validation accuracy, the incumbent, and the reference ± its noise.

    Args:
        report: for its iterations.
        path: PNG to write.
        reference: (mean, standard deviation over seeds) of no augmentation, 0..1.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    done = [(i, line) for i, line in enumerate(report.iterations, start=1) if line.mean is not None]
    x = np.array([i for i, _ in done])
    y = 100 * np.array([line.mean for _, line in done], dtype=float)
    if reference is not None:
        mean, std = 100 * reference[0], 100 * reference[1]
        axes.axhspan(mean - std, mean + std, color="0.88", label="no augmentation ± 1 σ")
        axes.axhline(mean, color="0.5", linewidth=1)
    if len(done):
        spread = [100 * (line.std or 0.0) for _, line in done]
        axes.errorbar(x, y, yerr=spread, fmt="o", color="tab:blue", capsize=3, label="iteration ± 1 σ")
        axes.step(x, np.maximum.accumulate(y), where="post", color="tab:orange", label="best so far")
        axes.set_xticks(x)
    axes.set_xlabel("iteration")
    axes.set_ylabel("validation accuracy (%)")
    axes.set_title(report.title, fontsize=10)
    axes.legend(fontsize=8, frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _score(value: float | None) -> str:
    """A score (0..1) in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}"


def _cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
