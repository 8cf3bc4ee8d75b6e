"""Processes that end when the process that started them does, however that one ends."""

import multiprocessing
import os
import threading
from multiprocessing.connection import wait


def exit_with_parent() -> None:
    """Ends this process at once and wherever it is, as soon as its parent is gone.

    For processes made by `multiprocessing`: a parent that is killed cannot stop them, and they would go on taking
    memory and cores from whatever runs next.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("exit_with_parent() belongs into a process that multiprocessing has started")

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()
