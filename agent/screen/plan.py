"""What a study will take, in words and for a program."""

from dataclasses import dataclass
from typing import Any

from tools.durations import about, as_flag
from tools.text import counted


@dataclass(frozen=True)
class Plan:
    """What a study takes, at most."""

    trainings: int
    trained_before: int
    """Of these, trained by an earlier study, as far as that can be known now."""
    epochs: tuple[int, int]
    """Of a training: the fewest and the most; equal where the length is given."""
    seconds: tuple[float, float] | None
    """Of the whole study, for the fewest and the most epochs; None where it was not measured."""
    limit: float | None
    """Seconds that the budget allows, if it has a limit in time."""
    images_per_second: float | None
    """Training images of one trial."""
    workers: int
    cheaper: tuple[tuple[str, float, float], ...]
    """(flags, seconds for the fewest and the most epochs)."""
    disk: int | None
    """Bytes, besides the decoded images; None where it was not measured."""
    llm_calls: int
    dollars: float | None
    """That these calls cost at most, about; None where the price is unknown."""
    model: str = ""
    """The language model; empty where none proposes."""
    backgrounds: bool = False
    """Whether images with new backgrounds may come on top."""
    trainings_more: int = 0
    """Trainings that the finish takes on top, at most: only what the search finds shows whether."""
    smallest: float | None = None
    """Seconds of the smallest study that has a result; None where it was not measured."""

    def lines(self, free: str = "") -> list[tuple[str, str]]:
        """The same for reading: name and text of each line; `free` says how much room the disk has."""
        found = [("plan", self._trainings())]
        if self.seconds and self.cheaper:
            found.append(
                ("cheaper", "; ".join(f"{flags} {_between(low, high)}" for flags, low, high in self.cheaper))
            )
        if self.disk is not None:
            room = f" ({free})" if free else ""
            found.append(("disk", f"up to {_bytes(self.disk)} for weights, results and pictures{room}"))
        if self.model:
            found.append(("LLM", self._calls()))
        return found

    def as_json(self) -> dict[str, Any]:
        """For `--json`; times in seconds, disk in bytes."""
        low, high = self.seconds or (None, None)
        return {
            "trainings": self.trainings,
            "trainings_more": self.trainings_more,
            "trained_before": self.trained_before,
            "epochs": list(self.epochs),
            "seconds_low": low,
            "seconds_high": high,
            "seconds_smallest": self.smallest,
            "seconds_allowed": self.limit,
            "images_per_second": self.images_per_second,
            "workers": self.workers,
            "cheaper": [{"flags": f, "seconds_low": a, "seconds_high": b} for f, a, b in self.cheaper],
            "disk_bytes": self.disk,
            "llm_model": self.model or None,
            "llm_calls": self.llm_calls,
            "llm_dollars": self.dollars,
        }

    def _trainings(self) -> str:
        low, high = self.epochs
        length = counted(high, "epoch") if low == high else f"{low} to {high} epochs"
        before = f", of which {self.trained_before} are there already" if self.trained_before else ""
        more = in_words_of_more(self.trainings_more)
        text = f"up to {counted(self.trainings, 'training')} of {length}{before}"
        if self.seconds is None:
            return f"{text}{more}; how long it takes shows after the first of them"
        found = ", as is found first (longer ones if they help)" if low != high else ""
        text = f"{_between(*self.seconds)} on this machine: {text}{found}{more}"
        if self.images_per_second:
            text += f", {self.workers} at a time, {self.images_per_second:,.0f} images/s each"
        if self.backgrounds:
            text += "; making images with new backgrounds comes on top"
        if self.limit is not None and self.limit < self.seconds[1]:
            text += f". The budget of {as_flag(self.limit)} ends it before"
            if self.smallest is not None and self.smallest > self.limit:
                text += f", without a result: the smallest study that has one takes {_about(self.smallest)}"
        return text

    def _calls(self) -> str:
        calls = f"up to {counted(self.llm_calls, 'call')} of {self.model}"
        if self.dollars is None:
            return f"{calls}, whose price is unknown (--llm.input_price and --llm.output_price tell it)"
        return f"{calls}, at most about ${self.dollars:,.2f} (--budget.dollars limits it)"


def in_words_of_more(trainings: int) -> str:
    """That so many may come on top of those that were named before; empty for none."""
    return f", and up to {trainings} more if the finish needs them" if trainings else ""


def _between(low: float, high: float) -> str:
    if about(low) == about(high):
        return _about(high)
    return f"{about(low)} to {about(high)}"


def _about(seconds: float) -> str:
    return f"about {about(seconds)}"


def _bytes(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{max(1, round(count / 2**20))} MiB"
