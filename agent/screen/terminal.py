"""What a person sees while a study runs: why each policy is tried, how its trials go, and the result.

There are three modes. On a terminal: a live display. Elsewhere (a file, a pipe, CI): a line with its time for each
event, without colours or control codes. For commands that answer a question (`agent list`): whole tables. With
`quiet`: only warnings and the result. It knows nothing of the loop, which calls it.
"""

import time
from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.screen.console import FILE_COLUMNS, console
from agent.screen.lengths import cost_line, lengths_lines, lengths_table
from agent.screen.live import LiveTrials, stopwatch
from agent.screen.pace import Lines, Pace
from agent.screen.tables import FinalRow, compared, comparison_table, facts_grid, iterations_table, open_table
from evaluators.wording import percent, signed
from tools.training.metrics import Metric, metric_title
from tools.training.types import TrialEvent

if TYPE_CHECKING:
    from agent.memory.history import IterationRecord
    from agent.memory.length_file import Lengths

__all__ = ["FinalRow", "Terminal", "silent"]

_WIDEST_TABLE = 1_000
"""Columns of a plain table in a file, which is never wrapped: programs read it."""


class Terminal:
    """Shows what the loop does."""

    def __init__(
        self,
        quiet: bool = False,
        *,
        pages: bool = False,
        output: Console | None = None,
        errors: Console | None = None,
    ) -> None:
        """Open the terminal.

        Args:
            quiet: print only warnings and the result.
            pages: for commands that answer a question: whole tables, no times.
            output: standard output if None.
            errors: standard error if None.
        """
        self._out = output or console()
        self._errors = errors or console(stderr=True)
        self._quiet = quiet
        self._live = self._out.is_interactive and not quiet
        self._stamped = not self._live and not pages
        self._trials = LiveTrials(self._out) if self._live else None
        self._shown: set[str] = set()
        self._prepared, self._lines = "", Lines()
        self._pace, self._title = Pace(0), ""
        self.metric: Metric = "accuracy"
        """What the study compares by; scores are shown in it."""
        self.study: str | None = None
        """The study that was opened, for the line that says how to resume it."""
        self.document: dict[str, Any] = {}
        """What `--json` prints of the command's answer."""
        self.failure = ""
        """What ended the command, where that is an error."""

    # ------------------------------------------------------------------ events

    def opening(self, study: str, lines: Sequence[tuple[str, str]]) -> None:
        """The first lines of a study; `lines[0]` says which arm it uses and why."""
        self.study = study
        if self._quiet:
            return
        facts = [*lines[:1], ("study", study), *lines[1:]]
        if self._stamped:
            for name, text in facts:
                self._line(f"{name}: {text}")
            return
        self._out.print(facts_grid(facts))

    def note(self, text: str) -> None:
        """Information."""
        if not self._quiet:
            self._say(text)

    def warn(self, text: str) -> None:
        """Something that may invalidate the result; printed even when quiet."""
        if self._stamped:
            self._errors.print(Text(f"{_clock()} warning: {text}"), soft_wrap=True)
        else:
            target = self._out if self._live else self._errors
            warning = Text("warning: ", style="bold yellow").append(text, style="not bold yellow")
            target.print(_hanging("!", warning, "bold yellow"))

    def error(self, text: str) -> None:
        """What ended the command, and what to do about it."""
        self.failure = text
        self.close()
        self._errors.print(Text("error: ", style="bold red").append(text, style="not bold"), soft_wrap=True)

    def interrupted(self, text: str) -> None:
        """The user ended the command, which is no error."""
        self.failure = text
        self.close()
        self._errors.print(Text(text, style="yellow"), soft_wrap=True)

    def progress(self, description: str, done: int, total: int) -> None:
        """`done` of `total` pieces of a long preparation; without a live display, a line after ten seconds or more."""
        if self._trials is not None:
            self._trials.preparation(description, done, total)
        elif not self._quiet and total:
            if description != self._prepared or done == 0:
                self._prepared, self._lines = description, Lines()
            if self._lines.due() or (done >= total and self._lines.said_any):
                self._line(f"{description}: {done:,} of {total:,}")

    # ------------------------------------------------------------------ an iteration

    def proposal(
        self,
        iteration: int | str,
        iterations: int,
        arm: str,
        hypothesis: str,
        expected_gain: float,
        one_line_policy: str,
    ) -> None:
        """The policy that is tried next, and why. `expected_gain` is in accuracy points; 0 is no forecast."""
        if self._quiet:
            return
        title = f"iteration {iteration} of {iterations} · {arm}"
        expected = f"{signed(expected_gain / 100)} points" if expected_gain else ""
        if self._stamped:
            self._line(f"{title}: {one_line_policy}")
            self._line(f"  why: {hypothesis}" + (f" (expects {expected})" if expected else ""))
            return
        self._out.print()
        self._out.rule(Text(title, style="bold"), align="left", style="dim")
        facts = [("try", one_line_policy), ("why", hypothesis), ("expects", expected)]
        self._out.print(facts_grid([each for each in facts if each[1]]))

    def rejection(self, attempt: int, reasons: Sequence[str]) -> None:
        """An answer of the arm that was refused; the arm is asked again."""
        if not self._quiet:
            self._say(f"answer {attempt} refused: {'; '.join(reasons)}")

    def trials_begin(self, total: int, title: str) -> None:
        """`total` trials are about to start."""
        if self._trials is not None:
            self._trials.begin(total, title)
        elif not self._quiet:
            self._line(f"{title}: {total} {'trial' if total == 1 else 'trials'}")
            self._pace, self._title, self._lines = Pace(total), title, Lines()

    def trial_event(self, event: TrialEvent, label: str) -> None:
        """A trial has begun, finished an epoch, or ended."""
        if self._trials is not None:
            self._trials.update(event, label, self.metric)
        elif not self._quiet:
            self._tell_pace(event)
        if event.kind != "ended" or event.result is None:
            return
        result = event.result
        seconds = f"{result.seconds:.1f} s"
        if result.scores is not None:
            score = f"{self._measure} {percent(result.scores.of(self.metric))}"
            mark, text = "✓", f"{label}: {score}, {seconds}"
        else:
            mark, text = "✗", f"{label}: FAILED ({result.failure}) after {seconds}: {result.reason}"
        if self._quiet:
            if result.scores is None:
                self.warn(text)
        elif self._stamped:
            self._line(text)
        else:
            self._out.print(_hanging(mark, Text(text), "green" if mark == "✓" else "bold red"))

    def trials_end(self) -> None:
        """All trials have ended."""
        if self._trials is not None:
            self._trials.end()

    def iteration_table(self, records: Sequence["IterationRecord"]) -> None:
        """All candidates so far. Without a live display, a line for each that is new."""
        if self._quiet or not records:
            return
        if not self._stamped:
            self._out.print(Padding(iterations_table(records, self.metric), (1, 0)))
            return
        for record in records:
            score = f"{self._measure} {percent(record.mean, record.std)}"
            line = f"{record.name}: {score}{compared(record, records)} | {record.proposal.in_one_line()}"
            # Its interval, by the noise of all candidates, changes with each of them.
            result = f"{record.name}: {score}"
            if result not in self._shown:
                self._shown.add(result)
                self._line(line)

    def lengths(self, lengths: "Lengths", metric: "Metric") -> None:
        """How long the study trains, and what that was found by."""
        if self._quiet:
            return
        if self._stamped:
            for line in lengths_lines(lengths):
                self._line(line)
            return
        self._out.print(Padding(lengths_table(lengths, metric), (1, 0)))
        if cost := cost_line(lengths):
            self._say(f"finding the length took {cost}")

    def ledger(self, text: str) -> None:
        """The costs so far."""
        if self._quiet or not text:
            return
        if self._stamped:
            self._line(f"spent: {text}")
        else:
            self._out.print(_hanging("Σ", Text(text, style="dim"), "dim"))

    # ------------------------------------------------------------------ results

    def show(self, drawing: RenderableType) -> None:
        """Anything that Rich can draw, as the answer of a command; printed even when quiet."""
        self._draw(drawing)

    def verbatim(self, text: str) -> None:
        """Text for copying or for a program, never wrapped; printed even when quiet."""
        self._out.print(Text(text), soft_wrap=True)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A plain table of texts; printed even when quiet."""
        table = open_table(*headers)
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        if self._out.is_terminal or self._out.width != FILE_COLUMNS:
            self.show(table)
            return
        widest = self._out.options.update_width(_WIDEST_TABLE)
        usual = self._out.width
        self._out.width = max(usual, Measurement.get(self._out, widest, table).maximum)
        self._draw(table)
        self._out.width = usual

    def result(self, text: str) -> None:
        """The final sentence of a command; printed even when quiet."""
        self._out.print(
            Panel(Text(text), style="bold") if self._live else Text(text), soft_wrap=not self._live
        )

    def final(
        self,
        rows: Sequence[FinalRow],
        sentence: str,
        where: Sequence[tuple[str, str]],
        cautions: Sequence[str] = (),
        more: Sequence[str] = (),
    ) -> None:
        """The result: a sentence on what to use, the comparison on the test set, cautions, and where to find more."""
        self.close()
        self._out.print()
        self.result(sentence)
        self._out.print()
        self._draw(comparison_table(rows, self.metric))
        for text in more:
            self.result(text)
        for caution in cautions:
            self.warn(caution)
        for name, place in where:
            self._out.print(Text(f"{name}: ", style="dim").append(place, style="not dim"), soft_wrap=True)

    def close(self) -> None:
        """End the live display; printed lines stay."""
        if self._trials is not None:
            self._trials.end()

    # ------------------------------------------------------------------ details

    @property
    def score(self) -> str:
        """The metric in words."""
        return metric_title(self.metric)

    @property
    def _measure(self) -> str:
        return f"validation {self.score}"

    def _draw(self, drawing: RenderableType) -> None:
        """Print it; in a file without the blanks that fill its lines."""
        if self._out.is_terminal:
            self._out.print(drawing)
            return
        with self._out.capture() as captured:
            self._out.print(drawing)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        self._out.print(Text("\n".join(lines)), soft_wrap=True)

    def _tell_pace(self, event: TrialEvent) -> None:
        """In a file, how far the trials are, now and then."""
        self._pace.update(event)
        if event.kind == "ended" or not self._pace.total or not self._lines.due():
            return
        pace = self._pace
        left = "" if pace.whole.left is None else f", {stopwatch(pace.whole.left)} left"
        self._line(
            f"{self._title}: {pace.ended} of {pace.total} trials, {pace.whole.now:.0%}, "
            f"{stopwatch(pace.elapsed)} elapsed{left}"
        )

    def _say(self, text: str) -> None:
        if self._stamped:
            self._line(text)
        elif self._out.is_terminal:
            self._out.print(_hanging("·", Text(text), "dim"))
        else:
            self._out.print(Text(f"· {text}"), soft_wrap=True)

    def _line(self, text: str) -> None:
        self._out.print(Text(f"{_clock()} {' '.join(text.split())}"), soft_wrap=True)


def silent() -> Terminal:
    """A terminal that shows nothing, not even warnings: for what was said before."""
    return Terminal(quiet=True, output=Console(file=StringIO()), errors=Console(file=StringIO()))


def _clock() -> str:
    return time.strftime("%H:%M:%S")


def _hanging(mark: str, text: Text, style: str) -> RenderableType:
    """`text` wrapped beside its mark."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column()
    grid.add_column(overflow="fold")  # an address that is too long for the screen is not cut
    grid.add_row(Text(mark, style=style), text)
    return grid
