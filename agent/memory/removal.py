"""Removing a study from the store: its runs and their files, and the traces of its LLM calls.

The runs go to MLflow's bin. It is not emptied here: `mlflow gc` would also delete for good whatever else is in it, and
does not find the files of experiments whose name has a slash.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent.memory.finding import Finder
from tools.disk import disk_errors_explained

_AT_ONCE = 100
_REMOVED = "removed"
"""Kind of a run of a study that was deleted: `agent list` shows it no more."""


def runs_of(tracking: Finder) -> list[str]:
    """Ids of all runs of the study that `tracking` is attached to, the study's own last."""
    found = [run.info.run_id for run in tracking._runs(f"tags.study = '{tracking.study}'")]
    return sorted(found, key=lambda run: run == tracking.study_run)


def remove_runs(tracking: Finder, runs: Sequence[str]) -> None:
    """Put these runs into MLflow's bin, and delete their files, if these lie in a folder, and the study's traces.

    Raises:
        StoreError: the store does not answer, or refuses it.
        DiskError: a file cannot be deleted.
    """
    _remove_traces(tracking)
    for run in runs:
        place = _files_of(tracking, run)
        tracking.client.set_tag(run, "kind", _REMOVED)
        tracking.client.delete_run(run)
        if place is not None and place.is_dir():
            with disk_errors_explained(place):
                shutil.rmtree(place)


def _remove_traces(tracking: Finder) -> None:
    where = f"tags.study = '{tracking.study}'"
    while found := tracking.client.search_traces([tracking.experiment_id], where, max_results=_AT_ONCE):
        tracking.client.delete_traces(
            tracking.experiment_id, trace_ids=[trace.info.trace_id for trace in found]
        )


def _files_of(tracking: Finder, run: str) -> Path | None:
    """The folder of a run's artifacts, if it lies in the store's own folder of artifacts: RUN or RUN/artifacts."""
    root = tracking.address.artifacts
    address = urlsplit(tracking.client.get_run(run).info.artifact_uri or "")
    if root is None or address.scheme not in ("", "file"):
        return None
    place = Path(unquote(address.path) if address.scheme else address.path)
    place = place.parent if place.name == "artifacts" else place
    return place if place.name == run and root.resolve() in place.resolve().parents else None
