"""What the program's own modules log, shown where all notes and warnings are: tools know no terminal.

A warning is shown even when quiet: it is about results, or about a setting without effect. What only explains what is
going on (a retry, waiting for another process) is information.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from agent.screen.terminal import Terminal

_PACKAGES = ("agent", "evaluators", "tools")


class _Lines(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.INFO)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        show = self._terminal.note if record.levelno < logging.WARNING else self._terminal.warn
        show(record.getMessage())


@contextmanager
def log_shown(terminal: Terminal) -> Iterator[None]:
    """In this block, what is logged as a warning is one on the terminal, and what is logged as information a note."""
    handler = _Lines(terminal)
    loggers = [logging.getLogger(name) for name in _PACKAGES]
    before = [(logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, (propagates, level) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagates
            logger.setLevel(level)
