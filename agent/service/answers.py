"""What the service says of its studies, from the queue and their events: cheap, however often it is asked."""

from functools import lru_cache
from typing import Any

from agent.memory.study_file import NAME as MLFLOW_FILE
from agent.memory.views import view_address
from agent.service.config import ServiceConfig
from agent.service.events import Followers
from agent.service.queue import Entry, Queue
from agent.service.session import LOG
from agent.service.types import Detail, Summary, WrittenNote
from agent.settings.config import StudyConfig
from agent.settings.secrets import mask
from agent.settings.sources import dump_config
from tools.files import read_json


class Answers:
    """Answers about studies."""

    def __init__(self, config: ServiceConfig, queue: Queue) -> None:
        self._config, self._queue = config, queue
        self._followers = Followers()

    def summaries(self, state: str, limit: int) -> list[Summary]:
        """The latest studies, in the order of their submission; `state` '': in any state."""
        waiting = {name: number for number, name in enumerate(self._queue.waiting(), start=1)}
        entries = self._queue.entries((state,) if state else (), limit)
        return [Summary(**self._fields(entry, waiting.get(entry.name))) for entry in entries]

    def summary(self, name: str) -> Summary:
        """One study.

        Raises:
            NoSuchStudy: the queue holds none of that name.
        """
        return Summary(**self._fields(*self._placed(name)))

    def detail(self, name: str) -> Detail:
        """One study with its settings and notes.

        Raises:
            NoSuchStudy: the queue holds none of that name.
        """
        entry, position = self._placed(name)
        notes = [
            WrittenNote(text=note.text, written=note.written, delivered=note.delivered)
            for note in self._queue.notes(name)
        ]
        return Detail(**self._fields(entry, position), settings=_shown(entry.settings), notes=notes)

    def _placed(self, name: str) -> tuple[Entry, int | None]:
        entry = self._queue.get(name)
        waiting = self._queue.waiting() if entry.state == "queued" else []
        return entry, waiting.index(name) + 1 if name in waiting else None

    def _fields(self, entry: Entry, position: int | None) -> dict[str, Any]:
        progress = self._followers.progress(self._config.own(entry.name))
        if entry.state != "running":
            progress = progress.model_copy(update={"running": []})
        return {
            "name": entry.name,
            "state": entry.state,
            "position": position,
            "message": mask(entry.message),
            "submitted": entry.submitted,
            "started": entry.started,
            "ended": entry.ended,
            "sessions": entry.sessions,
            "not_before": entry.not_before,
            "progress": progress,
            "links": self._links(entry.name),
        }

    def _links(self, name: str) -> dict[str, str]:
        """What there is to see of a study."""
        base = f"/api/studies/{name}"
        links = {}
        if (self._config.own(name) / LOG).is_file():
            links["log"] = f"{base}/log"
        folder = self._config.runs_dir / "studies" / name
        found = read_json(folder / MLFLOW_FILE) if folder.is_dir() else None
        if found is None:
            return links
        links |= {each: f"{base}/{each}" for each in ("report", "result", "artifacts")}
        if self._config.mlflow:
            links["mlflow"] = view_address(self._config.mlflow, found["experiment_id"], found["run_id"])
        return links


@lru_cache(maxsize=256)
def _shown(settings: str) -> dict[str, Any]:
    """The settings of a study with secrets hidden; made once, since they never change."""
    tree = dump_config(StudyConfig.model_validate_json(settings))
    return {key: value for key, value in tree.items() if key not in ("study", "runs_dir")}
