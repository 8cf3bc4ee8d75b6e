"""Fixtures that every test may use."""

from pathlib import Path

import pytest
from hypothesis import settings

from tests.repository import ROOT

# The same examples in every run: a suite that fails now and then teaches people to run it again.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real images for tests; the test is skipped where it is missing."""
    folder = ROOT.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip(f"the real test images are not on this machine (looked in {folder})")
    return folder
