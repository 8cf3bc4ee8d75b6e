"""Studies whose trials run side by side: the same study, whatever is killed on the way."""

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.agent.studies import conclusions, outcome, resume, run
from tests.agent.study.test_study_random_kills import killed_after


def once_trained(runs: Path) -> None:
    """No trial that had finished was trained again: each has its epochs once, and one result."""
    for folder in (runs / "trials").iterdir():
        if not (folder / "result.json").exists():
            continue
        epochs = [json.loads(line)["epoch"] for line in (folder / "epochs.jsonl").read_text().splitlines()]
        assert epochs[-1] == len(set(epochs))
        assert not (folder / "checkpoint.pt").exists()


@pytest.mark.timeout(600)
def test_a_packed_study_ends_as_one_that_trains_one_at_a_time(runs: Path, finished: Path):
    done = run(runs, "--proposer", "tpe", "--execution.pack", "3")
    assert done.returncode == 0, done.stderr
    assert "3 trials side by side" in done.stdout + done.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)
    once_trained(runs)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_of_a_packed_study_lose_nothing(finished: Path, tmp_path: Path):
    runs, chance = tmp_path / "runs", random.Random(20)
    runs.mkdir()
    for _ in range(20):
        killed_after(chance.uniform(1.0, 20.0), runs, "--execution.pack", "3")
    if not (runs / "studies/s/config.yaml").exists():
        killed_after(250, runs, "--execution.pack", "3")
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)
    once_trained(runs)
    shutil.rmtree(runs)
