"""A study that version 0.1.0 began and that was killed there is resumed to its report by this version.

`tests/recorded/study-of-0.1.0.tar.xz` is the runs folder as that version left it when the training of its first
iteration had ended: settings, loop (then in one `checkpoints.db` for all studies), ledger, store of MLflow, results of
trials without their weights. The decoded images are left out; they are made again.
"""

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.agent.studies import agent, ledger
from tests.agent.study.test_recorded_store import of_this_machine
from tests.repository import ROOT

RECORDED = ROOT / "tests" / "recorded" / "study-of-0.1.0.tar.xz"


@pytest.fixture(scope="module")
def resumed(once) -> Path:
    """The runs folder after the resume, with what that said; what was trained before is in `before.json`."""

    def make(folder: Path) -> None:
        with tarfile.open(RECORDED) as archive:
            archive.extractall(folder, filter="data")
        runs = folder / "runs"
        of_this_machine(runs)
        before = sorted(path.parent.name for path in (runs / "trials").glob("*/result.json"))
        (folder / "before.json").write_text(json.dumps(before))
        done = agent("resume", "begun", "--runs-dir", str(runs))
        (folder / "said.txt").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr + done.stdout

    return once("recorded study", make)


def test_it_goes_on_where_it_stood_and_trains_nothing_again(resumed: Path) -> None:
    before = json.loads((resumed / "before.json").read_text())
    assert len(before) == 3
    seconds: dict[str, set[float]] = {}
    for event in ledger(resumed / "runs", "begun"):
        if event["kind"] == "trial":
            seconds.setdefault(event["id"].removeprefix("trial:"), set()).add(event["seconds"])
    assert all(len(seconds[key]) == 1 for key in before), "an event that comes again is of the same training"
    said = (resumed / "said.txt").read_text()
    assert "iteration 2 of 2" in said
    assert "iteration 1 of 2" not in said, "it was proposed, and trained, before"


def test_it_reports_and_is_listed(resumed: Path) -> None:
    report = (resumed / "runs" / "studies" / "begun" / "report.md").read_text()
    assert "rotate(p=0.6412, degrees=2.785)" in report, "the proposal of the first session"
    assert "## The test" in report
    listed = agent("list", "--runs-dir", str(resumed / "runs"))
    assert "begun" in listed.stdout
    again = agent("report", "begun", "--runs-dir", str(resumed / "runs"))
    assert again.returncode == 0, again.stderr


def test_it_keeps_the_settings_that_it_began_with(resumed: Path) -> None:
    settings = yaml.safe_load((resumed / "runs" / "studies" / "begun" / "config.yaml").read_text())
    assert settings["model"]["weights"] is None
    assert settings["aga"]["compose"]["colours"] == "source"
    assert settings["search"]["second_lengths"] == "off"
    assert settings["training"]["epochs"] == 1
