"""The same images from another start: finished studies of the runs folder whose model began with other weights.

Whether to begin from scratch or from published weights often matters more than any augmentation, so that a report
shows both where both were run. Read when a study has opened its own test set.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from evaluators.report.comparison import Comparison
from evaluators.report.report import Report
from evaluators.report.sections import StartLine
from evaluators.report.stored import NAME, read_report

_SCRATCH = "from scratch"


def start_lines(report: Report, runs_dir: Path) -> list[StartLine]:
    """This study and those that began otherwise, best without augmentation first; [] where there is none of these.

    Args:
        report: of this study, its test set opened.
        runs_dir: where the other studies are. One whose report is damaged, or was never written, is left out.
    """
    own = _line(report)
    if own is None:
        return []
    others = [line for each in _finished(runs_dir, report) if (line := _line(each)) is not None]
    others = [line for line in others if line.start != own.start]
    if not others:
        return []
    return sorted([own, *others], key=lambda line: -line.none.mean)


def _finished(runs_dir: Path, report: Report) -> Iterator[Report]:
    """Reports of other studies on the same images and splits, by the same metric."""
    fingerprint = _fact(report, "data fingerprint")
    for file in sorted((runs_dir / "studies").glob(f"*/{NAME}")):
        if file.parent.name == report.study:
            continue
        try:
            text = file.read_text(encoding="utf-8")
            if fingerprint not in text:  # most are of other data, and long
                continue
            found = read_report(text)
        except (OSError, ValueError):
            continue  # agent report says what is wrong with it
        if _fact(found, "data fingerprint") == fingerprint and found.metric == report.metric:
            yield found


def _line(report: Report) -> StartLine | None:
    """What a study came to; None where it tested nothing."""
    none = _tested(report.comparisons, lambda each: each.role == "reference")
    best = _tested(report.comparisons, lambda each: each.recommended)
    if none is None or best is None or none.test is None or best.test is None:
        return None
    model, _, start = _fact(report, "model").rpartition(", ")
    return StartLine(report.study, model, start or _SCRATCH, none.test, best.name, best.test)


def _tested(comparisons: Sequence[Comparison], wanted: Callable[[Comparison], bool]) -> Comparison | None:
    return next((each for each in comparisons if wanted(each) and each.test is not None), None)


def _fact(report: Report, name: str) -> str:
    return next((text for fact, text in report.facts if fact == name), "")
