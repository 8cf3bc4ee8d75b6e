"""Runs one call so that it ends in time, whatever its client waits for (a name server, a header that drips)."""

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from agent.llm.wire_errors import CallTimeout

T = TypeVar("T")

_GRACE = 1.0
"""Seconds that the client has to report its own timeout, which says more about where it waited."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """The result of `work`, or what it raised.

    It runs in a thread of its own, because nothing can interrupt a thread that waits for a network. One that is given
    up is left alone: it ends with its connection, and never holds up the end of the process.

    Raises:
        CallTimeout: it took longer.
    """
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)
        finally:
            done.set()

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="llm-call", daemon=True).start()
    if not done.wait(seconds + _GRACE):
        raise CallTimeout(f"no complete answer after {seconds:g} s")
    if errors:
        raise errors[0]
    return results[0]
