"""What a study has spent, and whether it may spend more.

The ledger owns every number that a budget can bound: trials and their training seconds, LLM calls with their tokens
and dollars, and wall-clock time. It also knows which pictures went out. It is a file of one JSON line per event,
written and synced as the event happens, so that a killed study loses nothing. An event carries an id: recorded twice,
it counts once. A call of the LLM is written before it goes out, with the most that it can cost, and again when it ends:
what a killed process had asked counts, as an upper bound. What the scores were, it does not know.

Durations come from a clock that only runs forward. The time of day is kept for people: it jumps when a machine sets
its clock, and goes on while a laptop sleeps.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.settings.config import BudgetConfig
from tools.durations import as_flag, exactly
from tools.errors import AugurError
from tools.files import is_json, mend_last_line
from tools.text import counted


@dataclass(frozen=True)
class Spent:
    """Totals of a study."""

    wall_clock: float = 0.0
    training_seconds: float = 0.0
    trials: int = 0
    reused_trials: int = 0
    llm_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0
    unpriced_calls: int = 0
    samples: int = 0
    """Training images shown to a model, over all epochs of all trials; those of reused trials count as well."""
    pictures: int = 0
    """Different pictures of images that went out to a language model."""
    unfinished_calls: int = 0
    """Part of `llm_calls`: begun, but their end was never recorded. Their tokens and dollars are upper bounds."""
    joules: float | None = None
    """Electrical energy of the machine while the study ran, by its counters; None where it has none."""
    unmetered_sessions: int = 0
    """Sessions whose energy is not in `joules`."""

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass
class Stopwatch:
    """Splits an iteration's time into training and everything else."""

    begun: float | None = None
    trained: float = 0.0

    def start(self) -> None:
        """An iteration begins."""
        self.begun, self.trained = time.monotonic(), 0.0

    def outside_training(self) -> float | None:
        """Seconds of this iteration that were not spent on trials; None where it began in an earlier session."""
        return None if self.begun is None else time.monotonic() - self.begun - self.trained


class BudgetSpent(Exception):
    """A limit was reached in the middle of something; the text says which."""


class Ledger:
    """Appends events to `path` and sums them up.

    Raises:
        AugurError: if a line of the file other than a torn last one cannot be read.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        *,
        begins: bool = True,
        energy: Callable[[], float | None] = lambda: None,
    ) -> None:
        """`clock` gives seconds from any origin, and never jumps; `begins`: a session begins, and is written down;
        `energy`: joules that the machine has used in this session, where that is measured."""
        self._path, self._clock, self._energy = path, clock, energy
        self._began, self._begins = clock(), begins
        self._events: dict[str, dict[str, Any]] = {}
        self._sessions: dict[str, float] = {}
        """Session → how long it lasted, in seconds."""
        self._joules: dict[str, float] = {}
        """Session → energy; of those that measured it."""
        self._first_times: dict[str, float] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._session = f"{os.getpid()}-{time.time_ns()}"
        if begins:
            self._append({"kind": "sitting"})

    def add_trial(self, key: str, seconds: float, reused: bool, samples: int = 0, share: float = 1.0) -> None:
        """A trial ended, well or not, after `seconds` of training; a reused one cost nothing here.

        `samples` are the training images of all epochs that it took; `share` is what it counts of a trial, for one that
        began with epochs of another (0..1).
        """
        event = {"kind": "trial", "id": f"trial:{key}", "seconds": seconds, "reused": reused}
        self._append({**event, "samples": samples, **({"share": share} if share != 1 else {})})

    def begin_trial(self, key: str) -> None:
        """From now on, this study itself trains the trial."""
        if not self.knows(key):
            self._append({"kind": "epoch", "id": f"trial:{key}", "epoch": 0, "seconds": 0.0, "reused": False})

    def add_epoch(self, key: str, epoch: int, seconds: float) -> None:
        """Another epoch of a running trial took `seconds`; superseded by `add_trial` when the trial ends."""
        before = self._events.get(f"trial:{key}", {})
        if epoch <= before.get("epoch", 0):
            return
        seconds += before.get("seconds", 0.0)
        event = {"kind": "epoch", "id": f"trial:{key}", "epoch": epoch, "seconds": seconds, "reused": False}
        self._append(event)

    def begin_llm_call(
        self, call_id: str, input_tokens: int, output_tokens: int, dollars: float | None
    ) -> None:
        """A call of the LLM is about to go out; the amounts are the most that it can cost, until `add_llm_call`."""
        self._append(_llm_event("llm_begun", call_id, input_tokens, output_tokens, dollars))

    def add_pictures(self, call_id: str, digests: Sequence[str], host: str) -> None:
        """Pictures are about to go out to `host` with a call of the LLM; `digests` are the hex SHA-256 of each."""
        if digests:
            event = {"kind": "pictures", "id": f"pictures:{call_id}", "host": host}
            self._append({**event, "sha256": list(digests)})

    def add_llm_call(
        self, call_id: str, input_tokens: int, output_tokens: int, dollars: float | None
    ) -> None:
        """One call of the LLM has ended; `dollars` is None where its price is unknown."""
        self._append(_llm_event("llm", call_id, input_tokens, output_tokens, dollars))

    def knows(self, key: str) -> bool:
        """Whether this study itself began or finished the training of that trial."""
        event = self._events.get(f"trial:{key}")
        return event is not None and not event["reused"]

    def has_ended(self, key: str) -> bool:
        """Whether that trial has ended, trained or reused by this study."""
        event = self._events.get(f"trial:{key}")
        return event is not None and event["kind"] == "trial"

    def trial_keys(self) -> set[str]:
        """Keys of the trials that the study trained or reused."""
        return {name.removeprefix("trial:") for name in self._events if name.startswith("trial:")}

    def spent(self) -> Spent:
        """The totals so far."""
        events = self._events.values()
        trained = [e for e in events if e["kind"] in ("trial", "epoch") and not e["reused"]]
        calls = [e for e in events if e["kind"] in ("llm", "llm_begun")]
        before = sum(seconds for name, seconds in self._sessions.items() if name != self._session)
        return Spent(
            wall_clock=before + self._clock() - self._began,
            training_seconds=sum(e["seconds"] for e in trained),
            trials=_trials(trained),
            reused_trials=_trials(e for e in events if e["kind"] == "trial" and e["reused"]),
            samples=sum(e.get("samples", 0) for e in events if e["kind"] == "trial"),
            llm_calls=len(calls),
            input_tokens=sum(e["input"] for e in calls),
            output_tokens=sum(e["output"] for e in calls),
            dollars=sum(e["dollars"] or 0.0 for e in calls),
            unpriced_calls=sum(e["dollars"] is None for e in calls),
            pictures=len({each for e in events if e["kind"] == "pictures" for each in e["sha256"]}),
            unfinished_calls=sum(e["kind"] == "llm_begun" for e in calls),
            joules=sum(self._joules.values()) if self._joules else None,
            unmetered_sessions=len(self._sessions.keys() - self._joules.keys()),
        )

    def _append(self, event: dict[str, Any]) -> None:
        elapsed = round(self._clock() - self._began, 3)
        joules = self._energy()
        metered = {} if joules is None else {"joules": round(joules, 1)}
        event = {"time": time.time(), "elapsed": elapsed, "sitting": self._session, **metered, **event}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        name = event["sitting"]
        elapsed = event.get("elapsed")
        if elapsed is None:  # of a version that kept the time of day only
            elapsed = event["time"] - self._first_times.setdefault(name, event["time"])
        self._sessions[name] = max(self._sessions.get(name, 0.0), elapsed)
        if "joules" in event:
            self._joules[name] = max(self._joules.get(name, 0.0), event["joules"])
        if "id" not in event:
            return
        known = self._events.get(event["id"])
        if event["kind"] == "llm_begun" and known is not None:  # it has ended already
            return
        self._events[event["id"]] = event

    def _read(self) -> None:
        if self._begins:
            mend_last_line(self._path)
        if not self._path.exists():
            return
        *lines, last = self._path.read_text(encoding="utf-8").split("\n")
        if is_json(last):  # else another process may be writing it just now
            lines.append(last)
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError) as error:
                raise AugurError(
                    f"{self._path}, line {number} is not a ledger entry ({error}). Restore the file from a "
                    "backup, or remove that line; what it recorded then no longer counts."
                ) from error


def _trials(events: Iterable[dict[str, Any]]) -> int:
    """How many trials ended; parts of trials are added up, and what is left of one counts as a whole."""
    return math.ceil(sum(e.get("share", 1) for e in events if e["kind"] == "trial") - 1e-6)


def _llm_event(
    kind: str, call_id: str, input_tokens: int, output_tokens: int, dollars: float | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": f"llm:{call_id}",
        "input": input_tokens,
        "output": output_tokens,
        "dollars": dollars,
    }


def describe(spent: Spent, budget: BudgetConfig) -> str:
    """What is spent, in one line; each amount with its limit where it has one."""

    def of(amount: str, limit: str | None) -> str:
        return f"{amount} of {limit}" if limit else amount

    parts = [
        of(counted(spent.trials, "trial"), str(budget.trials) if budget.trials else None)
        + (f" (+{spent.reused_trials} reused)" if spent.reused_trials else ""),
        of(
            f"{exactly(spent.training_seconds)} of training",
            exactly(budget.training_seconds) if budget.training_seconds else None,
        ),
        of(
            f"{exactly(spent.wall_clock)} wall-clock",
            exactly(budget.wall_clock) if budget.wall_clock else None,
        ),
    ]
    if spent.llm_calls or budget.llm_calls:
        cut_off = f" ({spent.unfinished_calls} cut off)" if spent.unfinished_calls else ""
        calls = f"{'at most ' if cut_off else ''}{counted(spent.llm_calls, 'LLM call')}"
        parts.append(of(calls, str(budget.llm_calls) if budget.llm_calls else None) + cut_off)
        tokens = f"{'at most ' if cut_off else ''}{counted(spent.tokens, 'token')}"
        parts.append(of(tokens, f"{budget.tokens:,}" if budget.tokens else None))
        bound = "at least " if spent.unpriced_calls else "at most " if cut_off else ""
        dollars = of(f"{bound}${spent.dollars:.4f}", f"${budget.dollars:.2f}" if budget.dollars else None)
        unknown = (
            f" ({counted(spent.unpriced_calls, 'call')} of unknown price)" if spent.unpriced_calls else ""
        )
        parts.append(dollars + unknown)
    if spent.pictures:
        parts.append(f"{counted(spent.pictures, 'picture')} sent")
    return " · ".join(parts)


_WALL_CLOCK, _TRAINING = "wall-clock time", "training"
_LIMITS: tuple[tuple[str, Callable[[BudgetConfig], float | None], Callable[[Spent], float]], ...] = (
    (_WALL_CLOCK, lambda b: b.wall_clock, lambda s: s.wall_clock),
    (_TRAINING, lambda b: b.training_seconds, lambda s: s.training_seconds),
    ("trials", lambda b: b.trials, lambda s: s.trials),
    ("LLM calls", lambda b: b.llm_calls, lambda s: s.llm_calls),
    ("tokens", lambda b: b.tokens, lambda s: s.tokens),
    ("dollars", lambda b: b.dollars, lambda s: s.dollars),
)
"""(unit, its limit, what is spent of it), in the order in which they are checked."""


def exceeded(spent: Spent, budget: BudgetConfig, beyond: bool = False) -> str | None:
    """The first limit that is reached (with `beyond`: exceeded), as a sentence, or None."""
    for unit, limit_of, amount_of in _LIMITS:
        limit, amount = limit_of(budget), amount_of(spent)
        if limit is not None and amount >= limit + (1e-9 if beyond else 0):
            if unit in (_WALL_CLOCK, _TRAINING):
                return f"the budget of {as_flag(limit)} of {unit} is spent ({exactly(amount)})"
            one = unit if limit != 1 else unit.removesuffix("s")
            return f"the budget of {limit:g} {one} is spent ({amount:g})"
    return None
