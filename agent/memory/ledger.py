"""What a study has spent, and whether it may spend more.

The ledger owns every number that a budget can bound: trials and their training seconds, LLM calls with their tokens
and dollars, and wall-clock time. It is a file of one JSON line per event, written and synced as the event happens,
so that a killed study has forgotten nothing. An event carries an id: said twice, it counts once. What the scores
were is none of its business.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.settings.config import BudgetConfig
from tools.errors import AugurError


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

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._events: dict[str, dict[str, Any]] = {}
        self._sittings: dict[str, tuple[float, float]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._sitting = f"{os.getpid()}-{time.time_ns()}"
        self._append({"kind": "sitting"})

    def add_trial(self, key: str, seconds: float, reused: bool) -> None:
        """A trial ended, well or not, after `seconds` of training; a reused one cost nothing here."""
        self._append({"kind": "trial", "id": f"trial:{key}", "seconds": seconds, "reused": reused})

    def begin_trial(self, key: str) -> None:
        """The study itself trains this trial from now on."""
        if not self.knows(key):
            self._append({"kind": "epoch", "id": f"trial:{key}", "epoch": 0, "seconds": 0.0, "reused": False})

    def add_epoch(self, key: str, epoch: int, seconds: float) -> None:
        """Another epoch of a trial that still runs took `seconds`; superseded by `add_trial` when the trial ends."""
        before = self._events.get(f"trial:{key}", {})
        if epoch <= before.get("epoch", 0):
            return
        seconds += before.get("seconds", 0.0)
        event = {"kind": "epoch", "id": f"trial:{key}", "epoch": epoch, "seconds": seconds, "reused": False}
        self._append(event)

    def add_llm_call(
        self, call_id: str, input_tokens: int, output_tokens: int, dollars: float | None
    ) -> None:
        """One call of the LLM; `dollars` is None where its price is unknown."""
        self._append(
            {
                "kind": "llm",
                "id": f"llm:{call_id}",
                "input": input_tokens,
                "output": output_tokens,
                "dollars": dollars,
            }
        )

    def knows(self, key: str) -> bool:
        """Whether this study itself began or finished the training of that trial."""
        event = self._events.get(f"trial:{key}")
        return event is not None and not event["reused"]

    def spent(self) -> Spent:
        """The totals so far."""
        events = self._events.values()
        trained = [e for e in events if e["kind"] in ("trial", "epoch") and not e["reused"]]
        calls = [e for e in events if e["kind"] == "llm"]
        first, _ = self._sittings[self._sitting]
        before = sum(last - start for name, (start, last) in self._sittings.items() if name != self._sitting)
        return Spent(
            wall_clock=before + self._clock() - first,
            training_seconds=sum(e["seconds"] for e in trained),
            trials=sum(e["kind"] == "trial" for e in trained),
            reused_trials=sum(e["kind"] == "trial" and e["reused"] for e in events),
            llm_calls=len(calls),
            input_tokens=sum(e["input"] for e in calls),
            output_tokens=sum(e["output"] for e in calls),
            dollars=sum(e["dollars"] or 0.0 for e in calls),
            unpriced_calls=sum(e["dollars"] is None for e in calls),
        )

    def _append(self, event: dict[str, Any]) -> None:
        event = {"time": self._clock(), "sitting": self._sitting, **event}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(event)

    def _take(self, event: dict[str, Any]) -> None:
        start, _ = self._sittings.get(event["sitting"], (event["time"], 0.0))
        self._sittings[event["sitting"]] = (start, event["time"])
        if "id" in event:
            self._events[event["id"]] = event

    def _read(self) -> None:
        if not self._path.exists():
            return
        text = self._path.read_text(encoding="utf-8")
        lines = text.split("\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError) as error:
                if number == len(lines):  # no newline after it: the process was killed while writing it
                    self._path.write_text(text[: len(text) - len(line)], encoding="utf-8")
                    return
                raise AugurError(
                    f"{self._path}, line {number} is no ledger entry ({error}). Restore the file from a backup, or "
                    "remove that line, knowing that what it recorded will no longer count."
                ) from error


def describe(spent: Spent, budget: BudgetConfig) -> str:
    """One line, each amount with its limit where it has one."""

    def of(amount: str, limit: str | None) -> str:
        return f"{amount} of {limit}" if limit else amount

    def duration(seconds: float) -> str:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return (
            f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{seconds:.0f}s"
        )

    parts = [
        of(f"{spent.trials} trials", str(budget.trials) if budget.trials else None)
        + (f" (+{spent.reused_trials} reused)" if spent.reused_trials else ""),
        of(
            f"{duration(spent.training_seconds)} of training",
            duration(budget.training_seconds) if budget.training_seconds else None,
        ),
        of(
            f"{duration(spent.wall_clock)} wall-clock",
            duration(budget.wall_clock) if budget.wall_clock else None,
        ),
    ]
    if spent.llm_calls or budget.llm_calls:
        parts.append(of(f"{spent.llm_calls} LLM calls", str(budget.llm_calls) if budget.llm_calls else None))
        parts.append(of(f"{spent.tokens:,} tokens", f"{budget.tokens:,}" if budget.tokens else None))
        bound = "at least " if spent.unpriced_calls else ""
        dollars = of(f"{bound}${spent.dollars:.4f}", f"${budget.dollars:.2f}" if budget.dollars else None)
        unknown = f" ({spent.unpriced_calls} calls of unknown price)" if spent.unpriced_calls else ""
        parts.append(dollars + unknown)
    return " · ".join(parts)


class StopRule:
    """One limit: says why the study must stop, or None."""

    def __init__(self, name: str, limit: float | None, amount: Callable[[Spent], float]) -> None:
        self.name, self.limit, self.amount = name, limit, amount

    def __call__(self, spent: Spent, beyond: bool = False) -> str | None:
        """Why the limit stops the study now, as a sentence; with `beyond`, only once more than the limit is spent."""
        if self.limit is None or self.amount(spent) < self.limit + (0 if not beyond else 1e-9):
            return None
        return f"the budget of {self.limit:g} {self.name} is spent ({self.amount(spent):g})"


def stop_rules(budget: BudgetConfig) -> list[StopRule]:
    """Every limit of the configuration as a rule."""
    return [
        StopRule("seconds of wall-clock time", budget.wall_clock, lambda s: s.wall_clock),
        StopRule("training seconds", budget.training_seconds, lambda s: s.training_seconds),
        StopRule("trials", budget.trials, lambda s: s.trials),
        StopRule("LLM calls", budget.llm_calls, lambda s: s.llm_calls),
        StopRule("tokens", budget.tokens, lambda s: s.tokens),
        StopRule("dollars", budget.dollars, lambda s: s.dollars),
    ]


def exceeded(spent: Spent, budget: BudgetConfig, beyond: bool = False) -> str | None:
    """The first limit that is reached (with `beyond`: overstepped), as a sentence, or None."""
    return next((reason for rule in stop_rules(budget) if (reason := rule(spent, beyond))), None)
