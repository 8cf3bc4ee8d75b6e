"""Fixtures that every test may use."""

import gc
import os
import signal
from pathlib import Path

# One thread for each process of pytest-xdist and what it starts: more of them would wait for each other's cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that runs the suite in the background has it ignore Ctrl-C, and whatever it starts as well, also what a test
# interrupts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import settings

from tests.repository import ROOT

# The same examples in every run: a suite that fails now and then teaches people to run it again.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

_STUDIES = ROOT / "tests/agent/study"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole studies first: a long test that starts last would run alone at the end."""
    items.sort(key=lambda item: _STUDIES not in item.path.parents)


def pytest_collection_finish() -> None:
    """What thousands of collected tests hold stays until the end: a collector that went through it took a second."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images for tests; the test is skipped where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"the real test images are not on this machine (looked in {folder})")
    return folder
