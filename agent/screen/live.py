"""The live part of the terminal: a progress bar for each running trial, and one for all of them."""

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column

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


class LiveTrials:
    """Bars at the bottom of the screen while something runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._all: TaskID | None = None
        self._running: dict[str, TaskID] = {}
        self._preparation: TaskID | None = None

    def preparation(self, description: str, done: int, total: int) -> None:
        """`done` of `total` pieces of a preparation."""
        progress = self._open()
        if self._preparation is None:
            self._preparation = progress.add_task(description, total=total, count="", figures="")
        progress.update(
            self._preparation,
            description=description,
            completed=done,
            total=total,
            count=f"{done:,}/{total:,}",
        )
        if done >= total:
            self.end()

    def begin(self, total: int, title: str) -> None:
        """`total` trials are about to start."""
        self.end()
        self._all = self._open().add_task(title, total=total, count=f"0/{total}", figures="")

    def update(self, event: TrialEvent, label: str, metric: Metric = "accuracy") -> None:
        """A trial has begun, finished an epoch, or ended; `metric` is what its score is shown in."""
        progress = self._open()
        if event.kind == "ended":
            if event.key in self._running:
                progress.remove_task(self._running.pop(event.key))
            if self._all is not None:
                task = progress.tasks[progress.task_ids.index(self._all)]
                progress.update(self._all, advance=1, count=f"{int(task.completed) + 1}/{task.total or 0:g}")
            return
        if event.key not in self._running:
            self._running[event.key] = progress.add_task(label, total=None, count="", figures="")
        if event.epoch is not None:
            epoch = event.epoch
            progress.update(
                self._running[event.key],
                completed=epoch.epoch,
                total=epoch.epochs,
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
                TextColumn("{task.fields[figures]}", table_column=Column(min_width=22, no_wrap=True)),
                console=self._console,
                transient=True,
                expand=True,
            )
            self._progress.start()
        return self._progress
