"""What a study tells the service while it runs: one JSON line for each event, and what they add up to.

The study's process appends, whoever asks reads. No process waits for another.
"""

import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.service.types import CandidateScore, Curve, Progress
from tools.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

FILE = "events.jsonl"
_AGAIN = 0.5
"""Seconds for which an answer is good: many who ask cost no more than one."""
_LONGEST_CURVE = 1_000


class EventLog:
    """Appends events to a file."""

    def __init__(self, file: Path) -> None:
        """Open it; a line that a killed process left half-written is ended first."""
        torn = file.is_file() and not file.read_bytes().endswith(b"\n") and file.stat().st_size > 0
        self._stream = file.open("a", encoding="utf-8", buffering=1)
        if torn:
            self._stream.write("\n")

    def say(self, kind: str, **facts: Any) -> None:
        """Append an event."""
        self._stream.write(json.dumps({"kind": kind, **facts}, ensure_ascii=True) + "\n")


class Follower:
    """The progress of one study, read from its events as they come. May be used from several threads."""

    def __init__(self, file: Path) -> None:
        self._file, self._offset = file, 0
        self._lock = threading.Lock()
        self._asked = 0.0
        self._state = _State()
        self._answer = Progress()

    def progress(self) -> Progress:
        """How far the study is."""
        with self._lock:
            now = time.monotonic()
            if now - self._asked >= _AGAIN:
                self._asked = now
                if self._read():
                    self._answer = self._state.progress()
            return self._answer

    def _read(self) -> bool:
        """Take in what was appended; whether there was anything."""
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._offset)
                text = stream.read()
        except FileNotFoundError:
            return False
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                event = json.loads(line)
            except ValueError:  # torn by a kill
                continue
            self._state.take(event)
        return bool(whole)


class _State:
    """What the events so far add up to."""

    def __init__(self) -> None:
        self.simple: dict[str, Any] = {}
        self.running: dict[str, Curve] = {}
        self.candidates: dict[str, CandidateScore] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Add one event."""
        match event["kind"]:
            case "session":
                self.running.clear()
            case "metric":
                self.simple["metric"] = event["metric"]
            case "phase":
                self.running.clear()
                self.simple |= {"phase": event["title"], "trials": 0, "trials_of_phase": event["total"]}
            case "epoch":
                curve = self.running.setdefault(
                    event["key"], Curve(label=event["label"], epochs=event["epochs"], scores=[])
                )
                if event["score"] is not None:
                    curve.scores = [*curve.scores[: event["epoch"] - 1], event["score"]][-_LONGEST_CURVE:]
            case "ended":
                self.running.pop(event["key"], None)
                self.simple["trials"] = self.simple.get("trials", 0) + 1
            case "candidate":
                fields = {name: event[name] for name in ("name", "policy", "mean", "std")}
                self.candidates[event["name"]] = CandidateScore(**fields)
            case "said":
                self.simple["latest"] = one_line(event["text"], 500)
            case "result":
                self.simple["sentence"] = event["text"]

    def progress(self) -> Progress:
        """For an answer."""
        running = [curve.model_copy() for curve in self.running.values()]
        return Progress(**self.simple, running=running, candidates=list(self.candidates.values()))


class Followers:
    """One follower for each study that is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Path, Follower] = {}

    def progress(self, own: Path) -> Progress:
        """How far the study is whose folder in the service is `own`."""
        with self._lock:
            follower = self._known.setdefault(own, Follower(own / FILE))
        return follower.progress()


def latest_lines(file: Path, offset: int, most: int = 64_000) -> "tuple[Iterable[tuple[int, str]], int]":
    """Whole lines of a log from a place on, each with the place where it ends, and the place to go on from.

    Args:
        file: may not be there yet.
        offset: bytes from its start; -1: from near its end.
        most: bytes that are read at once.
    """
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            if offset < 0:
                offset = max(0, size - most)
            stream.seek(min(offset, size))
            text = stream.read(most)
    except FileNotFoundError:
        return (), max(offset, 0)
    end = text.rfind(b"\n") + 1
    if end == 0 and len(text) == most:  # a line without end: in pieces
        end = len(text)
    lines, place = [], min(offset, size)
    for line in text[:end].splitlines(keepends=True):
        place += len(line)
        lines.append((place, line.decode("utf-8", "replace").rstrip("\r\n")))
    return lines, place
