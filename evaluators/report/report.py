"""The final comparison on the sealed test set, and the report written from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evaluators.report.answer import NOTHING
from evaluators.report.class_gains import who_pays
from evaluators.report.comparison import Comparison, Versus
from evaluators.report.lengths import LengthSection
from evaluators.report.sections import (
    Backgrounds,
    ClassGain,
    Confusion,
    IterationLine,
    Picture,
    RaceSection,
    RunningTrial,
    SimpleLine,
    StartLine,
    chance_words,
)
from evaluators.statistics import Interval
from evaluators.wording import gain, signed
from tools.text import clean, markdown
from tools.training.metrics import Metric, metric_title


@dataclass(frozen=True)
class ShiftTable:
    """The final comparison on another data set of the same classes."""

    name: str
    title: str
    images: int
    warnings: Sequence[str]
    comparisons: Sequence[Comparison]
    sentence: str


State = Literal["finished", "running", "stopped"]


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
    recommended: str = NOTHING
    """Its title in a sentence."""
    reason: str = ""
    """Why it is recommended, by the rule of the choice; empty where there was no choice."""
    measure: str = ""
    """By what the choice compared, in words."""
    backgrounds: str = ""
    """The command that makes the recommended synthetic images again; empty where there are none."""
    length: LengthSection | None = None
    """How long the study trains, where that was found or checked."""
    state: State = "finished"
    written: str = ""
    """When this was put together, in words."""
    resume: str = ""
    """The command that resumes a study that stopped."""
    simple: Sequence[SimpleLine] = ()
    """No augmentation and the baselines, as the search knew them."""
    running: Sequence[RunningTrial] = ()
    """Trainings that are going on."""
    spending: Sequence[tuple[str, str]] = ()
    """(what, how much) lines of the ledger."""
    classes: Sequence[ClassGain] = ()
    """Of what is recommended, or, where that is no augmentation, of the proposal that was tested."""
    starts: Sequence[StartLine] = ()
    """This study, and others on the same images whose models began otherwise; none where there is no such other."""
    several_labels: bool = False
    """Whether an image may have several labels: `classes` are labels then, by their AUROC."""
    shown_candidate: str = ""
    """Whose labels these are; of classes, the confusion matrices say so."""
    confusions: Sequence[Confusion] = ()
    made: Backgrounds | None = None
    """The synthetic images of the tested proposal."""
    pictures: Sequence[Picture] = ()
    """What the recommended augmentation does to training images, first."""
    commands: Sequence[tuple[str, str]] = ()
    """(what it does, command line)."""
    origin: Sequence[tuple[str, str]] = ()
    """(name, value) of what a repetition needs: versions, seeds, digests."""
    races: Sequence[RaceSection] = ()
    """Those that the study is an arm of, when the page was written."""
    recorded: Sequence[Mapping[str, str]] = ()
    """The final table as MLflow has it, of a study that an earlier version finished; no other comparison is there."""

    @property
    def shown(self) -> str:
        """Whose classes are shown beside those of no augmentation."""
        return self.confusions[-1].title if self.confusions else self.shown_candidate or "recommended"

    @property
    def second(self) -> str:
        """What stands beside the accuracy, for the heads of tables."""
        return "mean average precision" if self.several_labels else "macro-F1"

    @property
    def forecasts(self) -> list[IterationLine]:
        """The iterations that were forecast, and have a result."""
        return [line for line in self.iterations if line.expected is not None and line.gain is not None]

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
    def price(self) -> str:
        """A sentence on the classes that lose much by what is recommended; empty where none does."""
        if self.recommended == NOTHING:
            return ""
        return who_pays(self.classes, self.recommended, self.metric, self.several_labels)

    @property
    def cautions(self) -> list[str]:
        """What may weaken the result: classes that lose by it, warnings about the data, earlier looks at the test set,
        missing trials."""
        return [text for text in (self.price, *self.warnings, self.earlier, *self.notes) if text]

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
        finalize=text_filter,
    )
    environment.filters |= {**filters(), "name_of": _name_of, "cell": markdown, "text": markdown}
    path.write_text(environment.get_template("report.md.j2").render(report=report), encoding="utf-8")


def text_filter(value: Any) -> Any:
    """Every text that a template writes, cleaned; what is marked as safe stays so."""
    return clean(value) if type(value) is str else value


def filters() -> dict[str, Any]:
    """How templates write scores, gains and chances."""
    return {
        "percent": interval_percent,
        "points": interval_points,
        "score": _score,
        "gain": gain,
        "signed": signed,
        "chance": chance_words,
        "capitalised": lambda text: text[:1].upper() + text[1:],
    }


def _name_of(comparison: Comparison) -> str:
    """The name as a cell, marked where it is recommended."""
    name = markdown(comparison.name)
    return f"**{name}** (recommended)" if comparison.recommended else name


def _score(value: float | None) -> str:
    """A score (0..1) in percent, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}".replace("-", "−")
