"""report.json: everything that a report says, so that its pages can be written again without opening the test set."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from evaluators.report.report import Report
from tools.files import write_whole

NAME = "report.json"
_VERSION = 1


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def write_report(report: Report, folder: Path) -> Path:
    """Keep `report` in the study's folder; the file."""
    from pydantic_core import to_json

    content = {"version": _VERSION, "report": _adapter().dump_python(report, mode="json")}
    write_whole(folder / NAME, to_json(content, indent=1, inf_nan_mode="constants"))
    return folder / NAME


def read_report(text: str) -> Report:
    """Inverse of `write_report`.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    from pydantic_core import from_json

    content = from_json(text)
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise ValueError(f"it is not a report of version {_VERSION}")
    return _adapter().validate_python(content["report"])
