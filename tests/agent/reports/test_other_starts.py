"""A report shows studies on the same images that began with other weights, and no others."""

from dataclasses import replace
from pathlib import Path

import pytest

from agent.reports.other_starts import start_lines
from evaluators.report.page import write_page
from evaluators.report.report import Report, write_markdown
from evaluators.report.stored import NAME, write_report
from tests.evaluators.test_report import comparison, report, scores

LABELS = [0, 1, 2, 0, 1, 2]


def study(name: str, start: str, right: int, data: str = "ab12") -> Report:
    """One whose reference, and whose policy, classify the first `right` of six test images correctly."""
    tested = scores([LABELS[:right] + [0] * (6 - right)] * 2, LABELS)
    reference = replace(comparison(tested, None, "reference"), name="no augmentation")
    chosen = comparison(tested, tested)
    facts = [("data fingerprint", data), ("model", f"resnet18, {start}")]
    return replace(report(reference, chosen), study=name, facts=facts)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three finished studies, of which one is on other images; one that has no report; and one that is damaged."""
    for made in (
        study("pretrained", "torchvision's weights", 5),
        study("again", "from scratch", 4),
        study("elsewhere", "torchvision's weights", 6, data="cd34"),
    ):
        folder = tmp_path / "studies" / made.study
        folder.mkdir(parents=True)
        write_report(made, folder)
    (tmp_path / "studies" / "begun").mkdir()
    (tmp_path / "studies" / "torn").mkdir()
    (tmp_path / "studies" / "torn" / NAME).write_text('{"version": 1, "report": {"facts": "ab12"')
    return tmp_path


def test_both_lines_are_there_where_both_were_run(runs: Path) -> None:
    own = study("own", "from scratch", 3)
    lines = start_lines(own, runs)
    assert [(line.study, line.start) for line in lines] == [
        ("pretrained", "torchvision's weights"),
        ("own", "from scratch"),
    ]
    assert lines[0].none.mean > lines[1].none.mean
    folder = runs / "studies" / "own"
    folder.mkdir()
    made = replace(own, starts=lines)
    write_markdown(made, folder / "report.md")
    text = (folder / "report.md").read_text()
    assert "### The same images from another start" in text
    assert "| pretrained | resnet18 | torchvision's weights |" in text
    page = write_page(made, folder, (), "agent explain own").read_text()
    assert "The same images from another start" in page


def test_where_all_began_alike_or_nothing_was_tested_there_is_none(runs: Path) -> None:
    assert start_lines(study("own", "from scratch", 3, data="ef56"), runs) == []
    assert start_lines(study("own", "torchvision's weights", 3, data="cd34"), runs) == []
    untested = replace(study("own", "from scratch", 3), comparisons=())
    assert start_lines(untested, runs) == []
