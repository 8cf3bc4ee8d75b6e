"""The processes that Ray runs for the tests."""

import psutil


def actors_of(parent: psutil.Process, kind: str) -> list[psutil.Process]:
    """Those below a process that keep an actor of a class, without those that end meanwhile."""
    found = []
    for process in parent.children(recursive=True):
        try:
            if process.cmdline()[0].startswith(f"ray::{kind}"):
                found.append(process)
        except (psutil.NoSuchProcess, IndexError):  # it has ended; a zombie has no command line
            continue
    return found
