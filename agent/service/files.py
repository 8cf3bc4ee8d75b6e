"""Files of a study that clients may read: those in its own folder, and nothing else."""

import os
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.responses import Response

from agent.service.config import ServiceConfig
from agent.service.session import LOG
from agent.service.types import Artifact
from agent.settings.secrets import mask
from agent.study_folder import CHECKPOINT
from tools.errors import AugurError

_SHOWN = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "text/plain; charset=utf-8",
    ".csv": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}
"""Kinds that a browser shows; of the others it is told to save the file."""
_PRIVATE = ("lock", CHECKPOINT)
_HARMLESS = {"Content-Security-Policy": "default-src 'none'; sandbox"}
_LONGEST_LOG = 4_000_000


class NoSuchFile(AugurError):
    """A study has no such file, or it is not to be read."""


def folder_of(config: ServiceConfig, name: str) -> Path:
    """The folder of a study that has begun.

    Raises:
        NoSuchFile: it has not, or was deleted.
    """
    folder = config.runs_dir / "studies" / name
    if not folder.is_dir():
        raise NoSuchFile(f"study {name!r} has no files: it has not begun to train, or it was deleted")
    return folder


def listed(folder: Path) -> list[Artifact]:
    """Every file of a study that may be read."""
    found = []
    for file in sorted(folder.rglob("*")):
        path = file.relative_to(folder)
        if _may_be_read(folder, path):
            found.append(Artifact(path=path.as_posix(), size=file.stat().st_size))
    return found


def sent(folder: Path, path: str) -> Response:
    """A file as an answer.

    Raises:
        NoSuchFile: there is none, it lies elsewhere, or it is the service's own.
    """
    wanted = Path(os.path.normpath(path)) if path and "\0" not in path else Path("..")
    if not _may_be_read(folder, wanted):
        raise NoSuchFile(
            f"artifact {path!r}: study {folder.name!r} has no such file; "
            f"GET /api/studies/{folder.name}/artifacts lists them"
        )
    kind = _SHOWN.get(wanted.suffix.lower())
    disposition = "inline" if kind else "attachment"
    return FileResponse(
        folder / wanted,
        media_type=kind or "application/octet-stream",
        filename=wanted.name,
        content_disposition_type=disposition,
        headers=_HARMLESS,
    )


def log(config: ServiceConfig, name: str) -> Response:
    """What a study printed; of a very long log, its end."""
    file = config.own(name) / LOG
    if not file.is_file():
        raise NoSuchFile(f"study {name!r} has not begun: it has printed nothing yet")
    with file.open("rb") as stream:
        stream.seek(max(0, file.stat().st_size - _LONGEST_LOG))
        text = stream.read().decode("utf-8", "replace")
    return Response(mask(text), media_type="text/plain; charset=utf-8", headers=_HARMLESS)


def _may_be_read(folder: Path, path: Path) -> bool:
    """Whether `path`, relative to a study's folder, is a file of its own: no link leads out of the folder."""
    if path.is_absolute() or ".." in path.parts or any(path.name.startswith(name) for name in _PRIVATE):
        return False
    file = folder / path
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())
