"""A study as one document for programs: what `--json` prints and the Python API returns (docs/scripts.md).

Scores are 0..1 (kappa -1..1), gains their differences; what is not known is null.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.memory import Tracking
    from agent.memory.history import IterationRecord
    from evaluators.report.comparison import Comparison
    from evaluators.report.report import Report
    from evaluators.statistics import Interval, Verdict

_FILES = {
    "page": "report.html",
    "report": "report.md",
    "policy": "policy.json",
    "policy_py": "policy.py",
    "search_picture": "search.png",
    "recommended_picture": "contact_sheets/recommended.png",
    "settings": "config.yaml",
    "splits": "splits.csv",
}
"""Name in the document → file in the study's folder."""


def study_document(tracking: "Tracking", folder: Path, state: str) -> dict[str, Any]:
    """What a study tried, found and spent.

    Args:
        tracking: attached to it.
        folder: its own.
        state: finished, running, interrupted or stopped.

    Raises:
        AugurError: its report is damaged.
    """
    from agent.memory.ledger import Ledger
    from agent.reports.files import stored_report

    tags = tracking.study_tags()
    report = stored_report(folder, tracking) if state == "finished" else None
    ledger = folder / "ledger.jsonl"
    spent = asdict(Ledger(ledger, begins=False).spent()) if ledger.exists() else None
    return {
        "study": folder.name,
        "state": state,
        "folder": str(folder.resolve()),
        "arm": tags.get("arm"),
        "metric": tracking.metric,
        "experiment_id": tracking.experiment_id,
        "run_id": tracking.study_run,
        "recommended": tags.get("recommended") or None,
        "sentence": tags.get("sentence"),
        "candidates": candidate_rows(tracking.records()),
        "test": [] if report is None else test_rows(report),
        "cautions": tags.get("cautions", "").splitlines() if report is None else list(report.cautions),
        "spent": spent,
        "files": {
            name: str((folder / file).resolve()) for name, file in _FILES.items() if (folder / file).exists()
        },
    }


def candidate_rows(records: "Iterable[IterationRecord]") -> list[dict[str, Any]]:
    """What was tried on validation, in the order in which it was."""
    return [
        {
            "name": record.name,
            "iteration": record.number,
            "arm": record.arm,
            "policy": record.proposal.in_one_line(),
            "hypothesis": record.proposal.hypothesis,
            "validation": record.mean,
            "validation_std": record.std,
            "seeds": {str(seed): score for seed, score in record.scores.items()},
            "gain_over_none": record.gain,
            "gain_over_none_interval": _pair(record.gain_interval),
            "gain_over_default": record.gain_over_default,
            "gain_over_default_interval": _pair(record.interval_over_default),
            "failures": [trial.reason for trial in record.trials if trial.reason],
            "stopped": record.stopped or None,
        }
        for record in sorted(records, key=lambda each: each.number)
    ]


def test_rows(report: "Report") -> list[dict[str, Any]]:
    """The final comparison on the test set, under fresh seeds."""
    return [_tested(each) for each in report.comparisons]


test_rows.__test__ = False  # type: ignore[attr-defined]  # pytest must not collect it


def _tested(found: "Comparison") -> dict[str, Any]:
    return {
        "name": found.name,
        "policy": found.policy,
        "role": found.role,
        "recommended": found.recommended,
        "test": _interval(found.test),
        "accuracy": _interval(found.accuracy),
        "macro_f1": _interval(found.macro_f1),
        **({"average_precision": _interval(found.average_precision)} if found.average_precision else {}),
        "gain_over_none": _verdict(found.verdict),
        "gain_over_default": _verdict(found.over_default),
    }


def _interval(found: "Interval | None") -> dict[str, Any] | None:
    return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high}


def _verdict(found: "Verdict | None") -> dict[str, Any] | None:
    """Three intervals: better only if all exclude zero."""
    if found is None:
        return None
    return {
        "over_seeds": _interval(found.over_seeds),
        "over_images": _interval(found.over_images),
        "over_both": _interval(found.over_both),
    }


def _pair(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)
