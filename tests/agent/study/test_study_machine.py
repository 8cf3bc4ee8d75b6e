"""Studies whose disk fills up, or whose files were damaged: nothing is blamed on a proposal, and nothing is lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.studies import SHORT, conclusions, copy_trials, outcome, resume, run, tracking

BARE = f"{SHORT} --search.backgrounds off"


@pytest.fixture
def small_disk(runs: Path) -> Iterator[Path]:
    """The folder of trials is a real disk of 64 kB."""
    folder = runs / "trials"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_stops_the_study_which_resumes_when_there_is_room(runs: Path, small_disk: Path):
    stopped = run(runs, "--proposer", "tpe", size=BARE)
    assert stopped.returncode == 1
    assert f"the disk is full: {small_disk}" in stopped.stderr
    assert "free)" in stopped.stderr
    assert "agent cache" in stopped.stderr
    assert f"Resume with: agent resume s --runs-dir {runs}" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "FAILED" not in stopped.stdout
    assert [record.mean for record in tracking(runs).records() if record.mean is not None] == []

    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    done = resume(runs)
    assert done.returncode == 0, done.stderr
    trials = [trial for record in tracking(runs).records() for trial in record.trials]
    assert {trial.status for trial in trials} == {"finished"}


def test_damaged_files_of_the_store_are_made_again_and_the_study_ends_the_same(finished: Path, runs: Path):
    """One result is torn, one was improved by hand, one set of weights has a wrong bit, one prediction is cut off."""
    copy_trials(finished, runs)
    results = sorted((runs / "trials").glob("*/result.json"))
    results[0].write_bytes(b"")
    text = results[1].read_text()
    results[1].write_text(text.replace('"accuracy": 0.', '"accuracy": 0.9'))
    assert results[1].read_text() != text
    weights = next(
        file
        for file in sorted((runs / "trials").glob("*/weights.safetensors"), reverse=True)
        if file.parent not in (results[0].parent, results[1].parent)
    )
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    weights.write_bytes(content)
    wrong = {results[0].parent, results[1].parent}
    whole = [file for file in (runs / "trials").glob("*/predictions-test.npz") if file.parent not in wrong]
    predictions = sorted(whole)[0]
    predictions.write_bytes(predictions.read_bytes()[:100])

    done = run(runs, "--proposer", "tpe")

    assert done.returncode == 0, done.stderr
    for file in (results[0], results[1], weights, predictions):
        assert f"{file} is damaged" in done.stderr, file
    assert "Traceback" not in done.stderr
    assert outcome(runs) == outcome(finished)
    assert conclusions(runs) == conclusions(finished)
