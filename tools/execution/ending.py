"""How a trial's session in a worker process ended, in words. Light: imports no torch."""

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tools.machine import SHARED_MEMORY_REMEDY

OUTPUT = "worker.log"
"""In a trial's folder while it runs, and after its worker died: what the worker wrote to its standard error."""

_SIGNALS = {
    "SIGKILL": "usually by the system, when memory runs out: try fewer execution.workers or a smaller "
    "training.batch_size",
    "SIGSEGV": "a crash in native code: try execution.device=cpu, or another version of torch",
    "SIGABRT": "native code gave up: try execution.device=cpu, or another version of torch",
    "SIGBUS": "a mapped file could not be read or written: the disk or /dev/shm may be full, or the disk failing",
}
_LONGEST = 1200
"""Characters of a text that goes through the pipe: a message that fits into the pipe cannot be cut in half."""
_MOST_NOTES = 3


@dataclass(frozen=True)
class Ending:
    """How a session of a trial ended."""

    kind: Literal["done", "failed", "died", "shared_memory", "disk", "images", "late", "alone"]
    """'failed' is for good; what 'died' may be tried again; 'disk' and 'images' (they are gone) are not the trial's
    fault; 'late' is out of time; 'alone': it cannot be trained side by side with others."""
    text: str = ""
    notes: tuple[str, ...] = ()
    """What was repaired on the way, for the person at the terminal."""

    def shortened(self) -> "Ending":
        """The same, short enough to be sent in one piece."""
        notes = tuple(note[: _LONGEST // _MOST_NOTES] for note in self.notes[:_MOST_NOTES])
        return Ending(self.kind, self.text[:_LONGEST], notes)


def death(exit_code: int | None, output: Path, loader_workers: int) -> Ending:
    """Of a worker process that has ended in the middle of a trial.

    Args:
        exit_code: of the process; minus the signal that killed it.
        output: what it wrote to its standard error; deleted if it is empty.
        loader_workers: processes that loaded images for the trial.
    """
    text, kind = f"its worker process ended with exit code {exit_code}", "died"
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = _SIGNALS.get(name)
        if name == "SIGBUS" and loader_workers:
            hint, kind = SHARED_MEMORY_REMEDY, "shared_memory"
        text = f"its worker process was killed by {name}" + (f" ({hint})" if hint else "")
    if words := _last_words(output):
        text += f"; it left {words!r} in {output}"
    return Ending(kind, text)  # pyright: ignore[reportArgumentType]


def _last_words(output: Path) -> str:
    """The line that says most: where Python's fault handler wrote, its first one, else the last one."""
    try:
        lines = [line.strip() for line in output.read_text("utf-8", errors="replace").splitlines()]
        if not any(lines):
            output.unlink()
            return ""
    except OSError:
        return ""
    fatal = [line for line in lines if line.startswith("Fatal Python error")]
    return (fatal or [line for line in lines if line][-1:])[0][:200]
