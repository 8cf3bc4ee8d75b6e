"""What a notebook shows while a study runs: a line for each event, and one bar that moves."""

import sys
from html import escape
from typing import Any

from rich.console import Console

from agent.screen.console import SafeConsole
from agent.screen.live import stopwatch
from agent.screen.pace import Pace
from agent.screen.terminal import Terminal
from tools.training.types import TrialEvent

_COLUMNS = 110


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    loaded = sys.modules.get("IPython")
    shell = loaded.get_ipython() if loaded is not None else None
    return shell is not None and "IPKernelApp" in shell.config


class NotebookTerminal(Terminal):
    """Lines as in a file, and below them a bar, in the output of a cell."""

    def __init__(self, quiet: bool = False) -> None:
        """As `Terminal`; `quiet` leaves only warnings and the result."""
        super().__init__(quiet, output=_plain(sys.stdout), errors=_plain(sys.stderr))
        self._bar: Any = None
        self._shown_pace = Pace(0)
        self._about = ""

    def progress(self, description: str, done: int, total: int) -> None:
        """`done` of `total` pieces of a preparation."""
        if description != self._about:
            self._shown_pace, self._about = Pace(total), description
        self._shown_pace.reach(done)
        self._draw_bar()
        if done >= total:
            self.close()

    def trials_begin(self, total: int, title: str) -> None:
        """`total` trials are about to start."""
        super().trials_begin(total, title)
        self._shown_pace, self._about = Pace(total), title
        self._draw_bar()

    def trial_event(self, event: TrialEvent, label: str) -> None:
        """A trial has begun, trained more, or ended."""
        super().trial_event(event, label)
        self._shown_pace.update(event)
        self._draw_bar()

    def trials_end(self) -> None:
        """All trials have ended."""
        super().trials_end()
        self.close()

    def close(self) -> None:
        """Remove the bar; printed lines stay."""
        super().close()
        if self._bar is not None:
            self._bar.update({"text/plain": "", "text/html": ""}, raw=True)
        self._bar, self._about = None, ""

    def _tell_pace(self, event: TrialEvent) -> None:
        """Nothing: the bar shows it."""

    def _draw_bar(self) -> None:
        if self._quiet:
            return
        from IPython.display import display

        pace = self._shown_pace
        left = "" if pace.whole.left is None else f", {stopwatch(pace.whole.left)} left"
        text = f"{self._about}: {pace.ended:,} of {pace.total:,}, {stopwatch(pace.elapsed)} elapsed{left}"
        html = f'<progress value="{pace.whole.now:.4f}" max="1" style="width:20em"></progress> {escape(text)}'
        drawing = {"text/plain": text, "text/html": html}
        if self._bar is None:
            self._bar = display(drawing, raw=True, display_id=True)
        else:
            self._bar.update(drawing, raw=True)


def _plain(stream: Any) -> Console:
    return SafeConsole(
        file=stream, force_jupyter=False, width=_COLUMNS, markup=False, emoji=False, highlight=False
    )
