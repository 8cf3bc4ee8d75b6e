"""The final comparison on the sealed test set, and the report written from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from evaluators.statistics import (
    DIFFERENCES,
    SCORES,
    Interval,
    Verdict,
    image_interval,
    interval_over_both,
    mean_interval,
    paired_difference,
)
from evaluators.wording import gain, signed
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
    """Over the seeds of the search and of the choice: the chosen policy's is too high, because it was chosen by it."""
    fresh_validation: Interval | None
    """Over the fresh seeds."""
    test: Interval | None
    """Over the fresh seeds, like all that follows."""
    macro_f1: Interval | None
    kappa: Interval | None
    verdict: Verdict | None
    """None for the reference itself."""
    role: str
    """'reference', 'baseline', 'chosen', 'ablation', or 'finalist', which is never tested."""
    test_by_seed: Mapping[int, float] = field(default_factory=dict)


def verdict_between(
    treatment: TestScores, control: TestScores, groups: Sequence[str] | None, resamples: int = 2000
) -> Verdict | None:
    """How one arm compares with another on the test set, over the seeds that both finished; None without any.

    Args:
        treatment: test scores of the arm.
        control: those of what it is compared with, such as the reference.
        groups: group of each test image; None where every image is its own.
        resamples: bootstrap samples of the interval over images.
    """
    over_seeds = paired_difference(treatment.accuracy, control.accuracy)
    if over_seeds is None:
        return None
    seeds = sorted(treatment.correct.keys() & control.correct.keys())
    treated = np.stack([treatment.correct[seed] for seed in seeds]).astype(np.float64)
    controls = np.stack([control.correct[seed] for seed in seeds]).astype(np.float64)
    return Verdict(
        over_seeds,
        image_interval(treated.mean(axis=0), controls.mean(axis=0), groups, resamples),
        interval_over_both(treated, controls, groups),
    )


def compare(
    name: str,
    policy: str,
    role: str,
    validation: Mapping[int, float],
    fresh_validation: Mapping[int, float],
    test: TestScores | None,
    reference: TestScores | None,
    groups: Sequence[str] | None,
) -> Comparison:
    """Compare one arm with the reference, over the seeds that both have.

    Args:
        name: of the arm.
        policy: its one-line form.
        role: 'reference', 'baseline', 'chosen', 'ablation' or 'finalist'.
        validation: seed → validation accuracy, in the search and the choice.
        fresh_validation: the same under the fresh seeds.
        test: its test scores, under the fresh seeds; None where it was not tested.
        reference: those of the reference; None for the reference itself.
        groups: group of each test image; None where every image is its own.
    """
    verdict = None
    if test is not None and reference is not None:
        verdict = verdict_between(test, reference, groups)
    return Comparison(
        name=name,
        policy=policy,
        role=role,
        validation=_interval(validation),
        fresh_validation=_interval(fresh_validation),
        test=_interval(test.accuracy) if test else None,
        macro_f1=_interval(test.macro_f1) if test else None,
        kappa=_interval(test.quadratic_kappa, DIFFERENCES) if test else None,
        verdict=verdict,
        test_by_seed=test.accuracy if test else {},
    )


def _interval(by_seed: Mapping[int, float], limits: tuple[float, float] = SCORES) -> Interval | None:
    """Over the seeds under which the score is defined: kappa is not where all images are of one class."""
    values = [value for value in by_seed.values() if np.isfinite(value)]
    return mean_interval(values, limits) if values else None


@dataclass(frozen=True)
class Versus:
    """The chosen policy against a baseline, on the test set."""

    name: str
    verdict: Verdict


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
    opened: bool = True
    """Whether the test set was opened; it stays sealed where no fresh seed of the reference was trained."""
    earlier: str = ""
    """A sentence on the studies that opened it before."""
    notes: Sequence[str] = ()
    """Trials of the finish that are missing, and why."""
    versus: Sequence[Versus] = ()

    @property
    def cautions(self) -> list[str]:
        """What may weaken the result: warnings about the data, earlier looks at the test set, missing trials."""
        return [*self.warnings, *([self.earlier] if self.earlier else []), *self.notes]

    @property
    def fresh_seeds(self) -> list[int]:
        """Those that were tested, of any candidate."""
        return sorted({seed for comparison in self.comparisons for seed in comparison.test_by_seed})


def interval_percent(interval: Interval | None) -> str:
    """'93.4 [92.1, 94.7]' in percent; the values in place of an interval where there is none; a dash for None."""
    if interval is None:
        return "–"
    mean = _score(interval.mean)
    if interval.low is not None and interval.high is not None:
        return f"{mean} [{_score(interval.low)}, {_score(interval.high)}]"
    return f"{mean} ({', '.join(map(_score, interval.values))})" if len(interval.values) > 1 else mean


def interval_points(interval: Interval | None) -> str:
    """'+1.2 [−0.3, +2.7]' in accuracy points; the values where there is no interval; a dash for None."""
    if interval is None:
        return "–"
    if interval.low is None and len(interval.values) > 1:
        return f"{gain(interval.mean)} ({', '.join(map(signed, interval.values))})"
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
    import warnings

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.6), dpi=120, layout="constrained")
    axes = figure.subplots()
    done = [(i, line) for i, line in enumerate(report.iterations, start=1) if line.mean is not None]
    x = np.array([i for i, _ in done])
    y = 100 * np.array([line.mean for _, line in done], dtype=float)
    if reference is not None:
        mean, std = 100 * reference[0], 100 * reference[1]
        axes.axhspan(
            max(0.0, mean - std), min(100.0, mean + std), color="0.88", label="no augmentation ± 1 σ"
        )
        axes.axhline(mean, color="0.5", linewidth=1)
    if len(done):
        spread = np.array([100 * (line.std or 0.0) for _, line in done])
        # No bar beyond what an accuracy can be.
        bars = np.stack([np.minimum(spread, y), np.minimum(spread, 100 - y)])
        axes.errorbar(x, y, yerr=bars, fmt="o", color="tab:blue", capsize=3, label="iteration ± 1 σ")
        axes.step(x, np.maximum.accumulate(y), where="post", color="tab:orange", label="best so far")
        axes.set_xticks(x)
    axes.set_xlabel("iteration")
    axes.set_ylabel("validation accuracy (%)")
    axes.set_title(report.title, fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    with warnings.catch_warnings():
        # The font may lack letters of a title; they are drawn as boxes, and the report has them in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path)


def _score(value: float | None) -> str:
    """A score (0..1) in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}".replace("-", "−")


def _cell(text: str) -> str:
    """Text that cannot break a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")
