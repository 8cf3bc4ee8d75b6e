"""Checkpoints in the team's PostgreSQL database, by LangGraph's own saver (the extra `[postgres]`).

The database may be shared by many runs folders, in which studies may have equal names: each study gets a thread of its
own, which its folder remembers. A database that goes away (restarted, moved to its replica) is tried again.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.memory.study_file import ONE_WAY, StudyFileGone
from agent.settings.addresses import with_password
from agent.settings.config import TrackingConfig
from tools.errors import ConfigurationError, first_line
from tools.files import read_json, write_json

VARIABLE = "AGENT_TRACKING__CHECKPOINTS"
_EXTRA = "uv pip install 'augur-vision[postgres]'"


@contextmanager
def team_checkpointer(
    file: Path, study: str, tracking: TrackingConfig, tell: Callable[[str], None]
) -> Iterator[Any]:
    """The saver of one study.

    Args:
        file: `checkpoint.json` of the study, which is written where it is missing.
        study: its name.
        tracking: where new studies are, the time that the database is given, and how often it is tried again.
        tell: is told while it does not answer.

    Raises:
        ConfigurationError: the packages are missing.
        StudyFileGone: `file` is damaged.
        DatabaseFault: the database does not answer, or refuses.
    """
    try:
        from agent.memory.checkpoints.saver import TeamSaver
    except ImportError as error:
        raise ConfigurationError(
            f"tracking.checkpoints needs Python packages that cannot be imported ({first_line(error)}): {_EXTRA}"
        ) from error
    bare, thread = _thread_of(file, study, tracking)
    saver = TeamSaver(with_password(bare, VARIABLE), bare, thread, tracking, tell)
    try:
        saver.setup()
        yield saver
    finally:
        saver.close()


def delete_checkpoints(file: Path, study: str, tracking: TrackingConfig) -> None:
    """Delete what the database holds of a study; nothing where its checkpoints are elsewhere.

    Raises:
        AugurError: as `team_checkpointer`.
    """
    if not file.exists():
        return
    with team_checkpointer(
        file, study, tracking.model_copy(update={"retries": 1}), lambda text: None
    ) as saver:
        saver.delete_thread(study)


def _thread_of(file: Path, study: str, tracking: TrackingConfig) -> tuple[str, str]:
    """(address without password, thread) of the study; new ones are written down before anything else is."""
    if not file.exists():
        write_json(file, {"database": tracking.checkpoints, "thread": f"{study}-{secrets.token_hex(8)}"})
    known = read_json(file)
    try:
        return str(known["database"]), str(known["thread"])  # pyright: ignore[reportOptionalSubscript]
    except (TypeError, KeyError):
        raise StudyFileGone(
            f"{file}, which says where the checkpoints of study {study} are, is damaged. Restore it from a backup, or "
            f"{ONE_WAY}."
        ) from None
