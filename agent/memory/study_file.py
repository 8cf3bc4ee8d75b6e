"""`mlflow.json` in a study's folder: which run of which experiment the study is. Light: no MLflow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import AugurError
from tools.files import read_json, read_understood, write_json

NAME = "mlflow.json"
ONE_WAY = "start a new study with the same settings, which reuses every trial in the runs folder"
"""To go on without a file that is gone."""


class StudyFileGone(AugurError):
    """Something that a study needs was deleted or damaged; it can neither be resumed nor begun again in silence."""


@dataclass(frozen=True)
class StudyFile:
    """Ids in MLflow."""

    experiment: str
    run: str


def remember(folder: Path, experiment: str, run: str) -> None:
    """Write down that the study in `folder` was opened in MLflow.

    Raises:
        OSError: as the system raises it.
    """
    known = {"experiment_id": experiment, "run_id": run}
    if read_json(folder / NAME) != known:
        write_json(folder / NAME, known)


def recorded(folder: Path) -> StudyFile | None:
    """What was written down; None if the study was not opened yet, or by an earlier version.

    Raises:
        AugurError: the file is damaged.
    """
    about = "which says where the study is in MLflow"
    return read_understood(folder / NAME, _parsed, about, "the study is then looked up by its name")


def _parsed(content: Any) -> StudyFile:
    return StudyFile(str(content["experiment_id"]), str(content["run_id"]))
