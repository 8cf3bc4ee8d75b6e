"""The final comparison on the sealed test set, and the report written from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluators.report.comparison import Comparison, Versus
from evaluators.report.lengths import LengthSection
from evaluators.statistics import Interval
from evaluators.wording import gain, signed
from tools.text import clean, markdown
from tools.training.metrics import Metric, metric_title


@dataclass(frozen=True)
class IterationLine:
    """One row of the table of the search."""

    name: str
    policy: str
    mean: float | None
    std: float | None
    over_default: float | None
    """Gain over the default policy."""
    interval_over_default: tuple[float, float] | None
    gain: float | None
    """Over no augmentation."""
    interval: tuple[float, float] | None
    verdict: str
    """How sure it is that the candidate is better than the default policy, in words."""
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
    python: str
    """What is recommended as a torchvision snippet."""
    recall: Sequence[tuple[str, float | None, float | None]]
    """(class, no augmentation, recommended): mean recall on the test set; none where these are the same."""
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
    """What is recommended against each baseline."""
    metric: Metric = "accuracy"
    recommended: str = "no augmentation"
    """Its title in a sentence."""
    reason: str = ""
    """Why it is recommended, by the rule of the choice; empty where there was no choice."""
    measure: str = ""
    """By what the choice compared, in words."""
    backgrounds: str = ""
    """The command that makes the recommended synthetic images again; empty where there are none."""
    length: LengthSection | None = None
    """How long the study trains, where that was found or checked."""

    @property
    def score(self) -> str:
        """The metric, as a table's head calls it."""
        return metric_title(self.metric)

    @property
    def estimated(self) -> list[Comparison]:
        """What could be recommended, the highest shrunk gain first."""
        known = [each for each in self.comparisons if each.estimate is not None]
        return sorted(known, key=lambda each: -each.estimate.gain_over_default if each.estimate else 0.0)

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
    """'+1.2 [−0.3, +2.7]' in points; the values where there is no interval; a dash for None."""
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
        finalize=lambda value: clean(value) if isinstance(value, str) else value,
    )
    environment.filters |= {
        "percent": interval_percent,
        "points": interval_points,
        "score": _score,
        "gain": gain,
        "signed": signed,
        "chance": _chance,
        "capitalised": lambda text: text[:1].upper() + text[1:],
        "name_of": _name_of,
        "cell": markdown,
        "text": markdown,
    }
    path.write_text(environment.get_template("report.md.j2").render(report=report), encoding="utf-8")


def plot_search(
    report: Report, path: Path, reference: tuple[float, float] | None, default: float | None = None
) -> None:
    """Plot the search: every iteration's score on validation, the best so far, and no augmentation ± its noise.

    Args:
        report: for its iterations.
        path: PNG to write.
        reference: (mean, standard deviation over seeds) of no augmentation, 0..1.
        default: mean of the default policy; None where it was not trained.
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
        lowest = -100.0 if report.metric == "kappa" else 0.0
        axes.axhspan(
            max(lowest, mean - std), min(100.0, mean + std), color="0.88", label="no augmentation ± 1 σ"
        )
        axes.axhline(mean, color="0.5", linewidth=1)
    if default is not None:
        axes.axhline(100 * default, color="tab:green", linewidth=1, linestyle="--", label="default policy")
    if len(done):
        spread = np.array([100 * (line.std or 0.0) for _, line in done])
        # No bar beyond what a score can be.
        below = y + 100 if report.metric == "kappa" else y
        bars = np.stack([np.minimum(spread, below), np.minimum(spread, 100 - y)])
        axes.errorbar(x, y, yerr=bars, fmt="o", color="tab:blue", capsize=3, label="iteration ± 1 σ")
        axes.step(x, np.maximum.accumulate(y), where="post", color="tab:orange", label="best so far")
        axes.set_xticks(x)
    axes.set_xlabel("iteration")
    axes.set_ylabel(f"validation {report.score} (%)")
    axes.set_title(report.title, fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False, loc="best")
    axes.spines[["top", "right"]].set_visible(False)
    with warnings.catch_warnings():
        # The font may lack letters of a title; they are drawn as boxes, and the report has them in full.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(path)


def _name_of(comparison: Comparison) -> str:
    """The name as a cell, marked where it is recommended."""
    name = markdown(comparison.name)
    return f"**{name}** (recommended)" if comparison.recommended else name


def _chance(probability: float) -> str:
    """A probability in percent, never 0 or 100, which no data can give."""
    return f"{min(99, max(1, round(100 * probability)))}%"


def _score(value: float | None) -> str:
    """A score (0..1) in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}".replace("-", "−")
