"""How often a test set has been opened: each look makes it likelier that something wins by accident.

An opening is recorded twice, before anything is read: in a file of the runs folder, which outlives what is deleted in
MLflow, and as a tag of the study's run, which studies on other machines that share the MLflow store can see.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tools.errors import AugurError
from tools.files import mend_last_line

if TYPE_CHECKING:
    from agent.memory.writing import Tracking

FILE = "test_openings.jsonl"
_SHOWN = 5


@dataclass(frozen=True)
class Opening:
    """A study that opened a test set."""

    study: str
    time: str
    """ISO 8601, UTC."""
    run: str
    """The study's run in MLflow."""


def describe_openings(earlier: Sequence[Opening]) -> str:
    """A sentence on the studies that opened a test set before; empty where none did."""
    if not earlier:
        return ""
    count = len(earlier)
    shown = ", ".join(f"{each.study} ({each.time[:10]})" for each in earlier[-_SHOWN:])
    some = f"{shown} and {count - _SHOWN} before" if count > _SHOWN else shown
    studies = "1 earlier study" if count == 1 else f"{count} earlier studies"
    return f"this test set has been opened by {studies}: {some}. Each look makes an accidental win likelier."


class Openings:
    """The openings that a study can know of."""

    def __init__(self, runs_dir: Path, tracking: "Tracking") -> None:
        """`tracking` is opened at the study that is about to look."""
        self._file, self._tracking = runs_dir / FILE, tracking

    def open(
        self,
        test_set: str,
        fingerprint: str,
        digest_of: Callable[[str], str | None] = lambda fingerprint: None,
    ) -> list[Opening]:
        """Record that the study opens `test_set`, and return the other studies that did so before it, oldest first.

        A study that opened it before, and was interrupted, is not recorded again, and sees what it saw then.

        Args:
            test_set: digest of its content.
            fingerprint: of the data set that it belongs to.
            digest_of: fingerprint of other data → digest of their test set, or None if it cannot be known:
                versions that recorded no digest recorded fingerprints.

        Raises:
            AugurError: a line of the file cannot be read.
        """
        own, tag = self._tracking.study_run, _tag(test_set)
        with FileLock(self._file.with_suffix(".lock")):
            recorded = [*self._in_file(test_set), *self._in_store(tag)]
            mine = min((each.time for each in recorded if each.run == own), default=None)
            time = mine or datetime.now(UTC).isoformat(timespec="microseconds")
            if all(each.run != own for each in self._in_file(test_set)):
                self._append({"test_set": test_set, "study": self._tracking.study, "run": own, "time": time})
        self._tracking.log_study({}, tags={tag: time})
        recorded += self._by_fingerprint(test_set, fingerprint, digest_of)
        first: dict[str, Opening] = {}
        for each in sorted(recorded, key=lambda opening: opening.time):
            if each.run != own and each.time < time:
                first.setdefault(each.run, each)
        return list(first.values())

    def _in_file(self, test_set: str) -> Iterator[Opening]:
        lines = self._file.read_text("utf-8").split("\n") if self._file.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line) if line else {}
                if entry and entry["test_set"] == test_set:
                    yield Opening(entry["study"], entry["time"], entry["run"])
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # torn by a kill; the next line begins after a line break
                    continue
                raise AugurError(
                    f"{self._file}, line {number}, cannot be read: {line[:80]!r}. It counts how often test sets were "
                    "opened; restore it from a copy, or delete that line if it is no record of yours."
                ) from error

    def _append(self, entry: dict[str, str]) -> None:
        # Whoever left a torn line has not looked, and records itself when it is resumed; a whole one may have looked.
        mend_last_line(self._file)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _in_store(self, tag: str) -> Iterator[Opening]:
        for run in self._studies(f"tags.{tag} LIKE '%'"):
            yield Opening(run.data.tags["study"], run.data.tags[tag], run.info.run_id)

    def _by_fingerprint(
        self, test_set: str, fingerprint: str, digest_of: Callable[[str], str | None]
    ) -> Iterator[Opening]:
        """Studies of earlier versions, which recorded that they opened a test set, but not which."""
        known: dict[str, str | None] = {fingerprint: test_set}
        for run in self._studies("tags.test_opened LIKE '%'"):
            tags = run.data.tags
            if any(name.startswith(_tag("")) for name in tags):
                continue
            other = tags.get("data_fingerprint", "")
            if other not in known:
                known[other] = digest_of(other)
            if known[other] == test_set:
                yield Opening(tags["study"], tags["test_opened"], run.info.run_id)

    def _studies(self, where: str) -> Iterator[Any]:
        """Runs of studies in all experiments of the store."""
        client, token = self._tracking.client, None
        experiments = [each.experiment_id for each in client.search_experiments()]
        while True:
            page = client.search_runs(
                experiments, f"tags.kind = 'study' and {where}", max_results=500, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def _tag(test_set: str) -> str:
    return f"test_set_{test_set[:32]}"
