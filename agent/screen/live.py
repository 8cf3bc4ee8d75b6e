"""The live part of the terminal: a progress bar for each running trial, and one for all of them, with their time."""

import time

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from agent.screen.pace import Pace, Part
from tools.training.metrics import Metric
from tools.training.types import EpochReport, TrialEvent

_CTRL_C_COLUMNS = 3
"""Columns left free: the terminal prints ^C after the last bar, and a full line would wrap and stay."""


_SHORT: dict[Metric, str] = {
    "accuracy": "acc",
    "macro_f1": "F1",
    "balanced_accuracy": "bal. acc",
    "auroc": "AUROC",
    "kappa": "kappa",
    "average_precision": "AP",
}


def _score(epoch: EpochReport, metric: Metric) -> str:
    """The metric after an epoch, as short as a bar needs it; the accuracy where the report of the epoch lacks it."""
    value = epoch.score(metric)
    if value is None:
        metric, value = "accuracy", epoch.validation_accuracy
    return f"{_SHORT[metric]} {100 * value:5.1f}%"


class _Narrowed:
    """A drawing that leaves a few columns free."""

    def __init__(self, drawing: RenderableType) -> None:
        self._drawing = drawing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self._drawing, options.update_width(options.max_width - _CTRL_C_COLUMNS))


class _Bars(Progress):
    def get_renderable(self) -> RenderableType:
        return _Narrowed(super().get_renderable())


def stopwatch(seconds: float) -> str:
    """As a stopwatch shows it: 3:07, 1:02:45."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class _Figures(ProgressColumn):
    """The scores of a trial; of a whole, how long it has run."""

    def render(self, task: Task) -> Text:
        if task.fields.get("whole") and task.elapsed is not None:
            return Text(f"{stopwatch(task.elapsed)} elapsed")
        return Text(task.fields.get("figures", ""))


class _Left(ProgressColumn):
    """How long it still takes, if it goes on as it did."""

    def render(self, task: Task) -> Text:
        known = task.fields.get("left")
        if known is None:
            return Text("")
        left, told = known
        return Text(f"{stopwatch(max(0.0, left - (time.monotonic() - told)))} left", style="dim")


def _left(part: Part) -> tuple[float, float] | None:
    """Seconds that are left, and when that was so."""
    left = part.left
    return None if left is None else (left, time.monotonic())


class LiveTrials:
    """Bars at the bottom of the screen while something runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._running: dict[str, TaskID] = {}
        self._preparation: TaskID | None = None
        self._pace = Pace(0)

    def preparation(self, description: str, done: int, total: int) -> None:
        """`done` of `total` pieces of a preparation."""
        progress = self._open()
        if self._preparation is None:
            self._preparation = progress.add_task(description, total=total, count="", whole=True)
            self._pace = Pace(total)
        self._pace.reach(done)
        progress.update(
            self._preparation,
            description=description,
            completed=done,
            total=total,
            count=f"{done:,}/{total:,}",
            left=_left(self._pace.whole),
        )
        if done >= total:
            self.end()

    def begin(self, total: int, title: str) -> None:
        """`total` trials are about to start."""
        self.end()
        self._all = self._open().add_task(title, total=total, count=f"0/{total}", whole=True)
        self._pace = Pace(total)

    def update(self, event: TrialEvent, label: str, metric: Metric = "accuracy") -> None:
        """A trial has begun, trained more, or ended; `metric` is what its score is shown in."""
        progress, part = self._open(), self._pace.update(event)
        if self._all is not None:
            pace = self._pace
            progress.update(
                self._all,
                completed=pace.whole.now * pace.total,
                count=f"{pace.ended}/{pace.total}",
                left=_left(pace.whole),
            )
        if event.kind == "ended":
            if event.key in self._running:
                progress.remove_task(self._running.pop(event.key))
            return
        if event.key not in self._running:
            self._running[event.key] = progress.add_task(label, total=None, count="")
        bar = self._running[event.key]
        if part is not None:
            progress.update(bar, completed=part.now, total=1.0, left=_left(part))
        if event.epoch is not None:
            epoch = event.epoch
            progress.update(
                bar,
                count=f"{epoch.epoch}/{epoch.epochs}",
                figures=f"loss {epoch.train_loss:.3f}  {_score(epoch, metric)}",
            )

    def end(self) -> None:
        """Remove the bars."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._all, self._preparation = None, None, None
        self._running.clear()

    def _open(self) -> Progress:
        if self._progress is None:
            self._progress = _Bars(
                SpinnerColumn(),
                TextColumn(
                    "{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
                ),
                BarColumn(bar_width=14),
                TextColumn("{task.fields[count]}", justify="right"),
                _Figures(table_column=Column(min_width=22, no_wrap=True)),
                _Left(table_column=Column(min_width=10, no_wrap=True, justify="right")),
                console=self._console,
                transient=True,
                expand=True,
            )
            self._progress.start()
        return self._progress
