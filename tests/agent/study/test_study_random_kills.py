"""Studies that are killed at any moment, from the making of the store to the report: nothing is lost or repeated."""

import random
import tempfile
from pathlib import Path

import pytest

from tests.agent.studies import (
    SMALL,
    conclusions,
    copy_trials,
    environment,
    outcome,
    resume,
    session,
)


def killed_after(seconds: float, runs: Path, *more: str) -> int | None:
    """One session, begun or resumed, that SIGKILL ends after `seconds`; its exit code if it had ended before."""
    name = ("--study", "s") if not (runs / "studies/s/config.yaml").exists() else ()
    first = ("run", *SMALL.split(), "--proposer", "tpe", *name, *more) if name else ("resume", "s")
    with tempfile.TemporaryDirectory() as folder:
        arguments = (*first, "--runs-dir", str(runs))
        process = session(folder, "none", arguments, environment())
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        said = (Path(folder) / "stderr").read_text()
        assert process.exitcode == 0, said + (Path(folder) / "stdout").read_text()
        return process.exitcode


def survives(runs: Path, finished: Path, kills: int, longest: float, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(kills):
        killed_after(chance.uniform(0.05, longest), runs)
    if not (runs / "studies/s/config.yaml").exists():
        assert killed_after(250, runs) == 0
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)
    assert not list(runs.glob(".mlflow.db.*"))


def test_four_kills_at_random_lose_nothing(finished: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    copy_trials(finished, runs)
    survives(runs, finished, kills=4, longest=8.0, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_kills_at_random_lose_nothing(finished: Path, tmp_path: Path, seed: int) -> None:
    """Twenty in each of five studies, which train for themselves."""
    runs = tmp_path / "runs"
    runs.mkdir()
    survives(runs, finished, kills=20, longest=15.0, seed=seed)
