"""Warnings that the program's own modules log, shown where all warnings are: tools know no terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from agent.screen.terminal import Terminal

_PACKAGES = ("agent", "evaluators", "tools")


class _Lines(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.WARNING)
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        self._terminal.warn(record.getMessage())


@contextmanager
def log_shown(terminal: Terminal) -> Iterator[None]:
    """In this block, what is logged as a warning is one on the terminal."""
    handler = _Lines(terminal)
    loggers = [logging.getLogger(name) for name in _PACKAGES]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagates in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagates
