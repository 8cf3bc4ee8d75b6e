"""How many examples the fuzz tests try: a few in every run of the suite, 10⁵ and more with `make fuzz`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

TOTAL = int(os.environ.get("AUGUR_FUZZ_EXAMPLES", "0"))
"""Examples of a test of weight 1; 0: the few of the usual suite."""
_FEW = 40


def fuzzed(weight: float) -> Callable[[Any], Any]:
    """A fuzz test; `weight`: its share of the examples, less for those that take long."""
    count = int(TOTAL * weight) if TOTAL else _FEW
    checks = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]
    chosen = settings(
        max_examples=max(count, 1), deadline=None, suppress_health_check=checks, derandomize=not TOTAL
    )

    def decorate(test: Any) -> Any:
        return pytest.mark.fuzz(pytest.mark.timeout(0 if TOTAL else 300)(chosen(test)))

    return decorate


def check_words(error: Exception) -> None:
    """An error is for a person: it says something, in characters that can be shown, and is no traceback."""
    text = str(error)
    assert text.strip()
    assert "Traceback" not in text


class _Examples:
    """Hands each example of a test a new folder, and removes the one before."""

    def __init__(self) -> None:
        self._count = 0

    def folder(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """An empty folder."""
        import shutil

        base = tmp_path_factory.getbasetemp() / f"fuzz-{os.getpid()}"
        shutil.rmtree(base, ignore_errors=True)
        self._count += 1
        folder = base / str(self._count)
        folder.mkdir(parents=True)
        return folder


EXAMPLES = _Examples()
