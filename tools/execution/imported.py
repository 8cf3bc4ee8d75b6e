"""What a worker needs before its first trial. The server that forks workers imports this module, once for all of them.

Nothing is said here when it cannot be imported: a worker imports it again, and its error has a place to go.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def _silence() -> Iterator[None]:
    """Nothing that libraries write while they are imported reaches the terminal, which shows a study."""
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        for number, was in zip((1, 2), kept, strict=True):
            os.dup2(was, number)
            os.close(was)
        os.close(nowhere)


with _silence(), suppress(Exception):
    import tools.execution.worker
    import tools.training.loop  # noqa: F401
