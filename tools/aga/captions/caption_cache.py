"""Keeps captions, so that no study asks a model twice for the same one.

AB/KEY.json       one caption; KEY is a SHA-256 over the captioner, the combination and the words to avoid
NAME.lock         held while a captioner is asked: of two studies that want the same caption, one asks
"""

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.aga.captions.combinations import Combination
from tools.aga.types import Caption, Captioner
from tools.disk import disk_errors_explained
from tools.files import locked, write_json

_log = logging.getLogger(__name__)

_CAPTION = TypeAdapter(Caption)


class CachedCaptioner:
    """Another captioner, asked only for captions that no study has asked it for."""

    def __init__(
        self, inner: Captioner, folder: Path, batch_size: int = 8, keeps_template: bool = True
    ) -> None:
        """Captions are written after every `batch_size`, so that a kill loses no more.

        `keeps_template`: also those that the template wrote in place of a model that failed, which may not fail again.
        """
        self._inner = inner
        self._folder = folder
        self._batch_size = batch_size
        self._keeps_template = keeps_template

    @property
    def identity(self) -> str:
        """The inner captioner's: keeping an answer does not change it."""
        return self._inner.identity

    def caption(self, combinations: Sequence[Combination], avoid: Sequence[str]) -> list[Caption]:
        """One caption for each combination, equal ones for equal combinations. The order of `avoid` does not matter.

        Raises:
            DiskError: captions cannot be read or written; else whatever the inner captioner raises.
        """
        avoid = sorted(set(avoid))
        identity = self._inner.identity
        files = {each: self._file(identity, each, avoid) for each in dict.fromkeys(combinations)}
        with self._disk_errors_explained():
            known = self._kept(files)
        missing = [each for each in files if each not in known]
        for start in range(0, len(missing), self._batch_size):
            batch = missing[start : start + self._batch_size]
            known |= self._ask({each: files[each] for each in batch}, avoid, identity)
        return [known[each] for each in combinations]

    def _ask(
        self, files: dict[Combination, Path], avoid: list[str], identity: str
    ) -> dict[Combination, Caption]:
        with self._disk_errors_explained():
            self._folder.mkdir(parents=True, exist_ok=True)
        lock = self._folder / f"{_hash(identity)[:16]}.lock"
        waits = f"Another process writes captions with the same model: waiting for it (it holds {lock})."
        with locked(lock, lambda: _log.info(waits)):
            with self._disk_errors_explained():
                known = self._kept(files)
            missing = [each for each in files if each not in known]
            made = self._inner.caption(missing, avoid) if missing else []
            for each, caption in zip(missing, made, strict=True):
                with self._disk_errors_explained():
                    _write(files[each], caption, identity)
                known[each] = caption
        return known

    def _kept(self, files: dict[Combination, Path]) -> dict[Combination, Caption]:
        found = _read(files)
        return {
            each: made for each, made in found.items() if self._keeps_template or made.origin != "template"
        }

    def _disk_errors_explained(self) -> AbstractContextManager[None]:
        """Not for the inner captioner: a broken connection is an OSError, too."""
        return disk_errors_explained(self._folder)

    def _file(self, identity: str, combination: Combination, avoid: list[str]) -> Path:
        key = _hash(identity, combination, avoid)
        return self._folder / key[:2] / f"{key}.json"


def _hash(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _read(files: dict[Combination, Path]) -> dict[Combination, Caption]:
    found = {}
    for combination, file in files.items():
        try:
            found[combination] = _CAPTION.validate_python(json.loads(file.read_bytes())["caption"])
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError, ValidationError):
            # Damaged, as by a power cut: it is made again.
            continue
    return found


def _write(file: Path, caption: Caption, identity: str) -> None:
    file.parent.mkdir(exist_ok=True)
    write_json(file, {"captioner": identity, "caption": asdict(caption)})
