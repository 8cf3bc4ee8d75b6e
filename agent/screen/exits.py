"""How a command ends: every exit code in one place.

0 done · 1 failed · 2 wrong usage or configuration · 130 interrupted (Ctrl-C) · 143 terminated (SIGTERM).
"""

import argparse
import json
import math
import os
import shlex
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from agent.screen.console import console
from agent.screen.log_lines import log_shown
from agent.screen.terminal import Terminal
from tools.disk import explain, is_explainable
from tools.errors import AugurError
from tools.text import clean

DOCUMENT_VERSION = 1
"""Of what `--json` prints; raised where a field changes its meaning or goes (docs/scripts.md)."""
INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A KeyboardInterrupt, so that everything closes in order, as it does on Ctrl-C."""


def runs_dir_flag(runs_dir: Path) -> str:
    """What follows `agent resume STUDY`, so that it finds the study."""
    return "" if runs_dir == Path("runs") else f" --runs-dir {shlex.quote(str(runs_dir))}"


@contextmanager
def termination_raises() -> Iterator[None]:
    """In this block, SIGTERM raises `Terminated` in the main thread; a second one must not interrupt the closing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def perform(
    action: Callable[[Terminal], int],
    options: argparse.Namespace,
    *,
    resume: str | None = None,
    again: str | None = None,
    pages: bool = False,
    quiet: bool = False,
) -> int:
    """Run a command on its own terminal; the exit code.

    Args:
        action: the command.
        options: including those that every command has (`quiet`, `debug`).
        resume: as in `run_to_exit_code`.
        again: likewise.
        pages: as in `Terminal`.
        quiet: be quiet even without the option.
    """
    as_json = bool(getattr(options, "as_document", False))
    output = console(stderr=True) if as_json else None
    terminal = Terminal(quiet or options.quiet, pages=pages, output=output)
    debug = options.debug or bool(os.environ.get("AGENT_DEBUG"))
    code = run_to_exit_code(lambda: action(terminal), terminal, resume=resume, again=again, debug=debug)
    if as_json:
        if terminal.study:
            terminal.document = {"study": terminal.study, **terminal.document}
        print_document(terminal.document, code, terminal.failure)
    return code


def print_document(document: Mapping[str, Any], code: int, failure: str = "") -> None:
    """The one JSON document that a command with `--json` writes to standard output.

    Args:
        document: the answer of the command.
        code: its exit code.
        failure: what ended it, where that is an error.
    """
    whole = {"version": DOCUMENT_VERSION, "exit_code": code, "error": failure or None, **document}
    print(json.dumps(_storable(whole), indent=2, ensure_ascii=False), flush=True)


def _storable(value: Any) -> Any:
    """Without numbers that JSON has not."""
    if isinstance(value, Mapping):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    if isinstance(value, str):
        return clean(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run_to_exit_code(
    action: Callable[[], int],
    terminal: Terminal,
    *,
    resume: str | None = None,
    again: str | None = None,
    debug: bool = False,
) -> int:
    """Run a command; the exit code. Errors for the person at the terminal become one message.

    Args:
        action: the command; returns its own code.
        terminal: where the message goes.
        resume: what follows `agent resume STUDY` in the message that says how to resume; None if nothing can.
        again: the command that continues where this one was interrupted, of a command that is not resumed by a name.
        debug: also print the traceback of such an error. Any other exception is a bug and always shows it.
    """

    def how_to_resume() -> str:
        if terminal.study and again is not None:
            return f" Continue with the same command: {again}"
        if not terminal.study or resume is None:
            return ""
        return f" Resume with: agent resume {terminal.study}{resume}"

    try:
        with termination_raises(), log_shown(terminal):
            return action()
    except AugurError as error:
        if debug:
            traceback.print_exc()
        resumable = error.resumable and (resume is not None or again is not None)
        terminal.error(f"{error} Nothing is lost.{how_to_resume()}" if resumable else str(error))
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, Terminated)
        terminal.interrupted(f"{'Terminated' if terminated else 'Interrupted'}.{how_to_resume()}")
        return TERMINATED if terminated else INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and is_explainable(error):
            if debug:
                traceback.print_exc()
            terminal.error(f"{explain(error)}{how_to_resume()}")
            return 1
        terminal.close()
        traceback.print_exc()
        terminal.error(f"this is a bug in Augur: please report it with the lines above.{how_to_resume()}")
        return 1
