"""Lengths of time, as they are written and read."""

import pytest
from pydantic import BaseModel, ValidationError

from tools.durations import Seconds, about, as_flag, exactly


class Limit(BaseModel):
    time: Seconds | None = None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("7200", 7200), ("1.5h", 5400), ("2 hours", 7200),
        ("90 min", 5400), ("1d 2h", 93_600), ("1H30M", 5400), ("0.5", 0.5), ("1 hr 5 mins 3 sec", 3903), (60, 60),
    ],
)  # fmt: skip
def test_a_time_is_read_as_people_write_it(text, seconds):
    assert Limit.model_validate({"time": text}).time == seconds


@pytest.mark.parametrize("text", ["2x", "h", "1h2h", "2h and more", "-2h", "0s", "1:30", "", "2h30"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValidationError):
        Limit.model_validate({"time": text})


@pytest.mark.parametrize("seconds", [0.5, 45, 60, 3600, 5400, 5403, 90_061])
def test_what_is_written_as_a_flag_reads_back_as_the_same_time(seconds):
    assert Limit.model_validate({"time": as_flag(seconds)}).time == seconds


def test_times_are_told_exactly_or_about():
    assert [exactly(s) for s in (7500, 7200, 200, 600, 45)] == [
        "2 h 05 min",
        "2 h",
        "3 min 20 s",
        "10 min",
        "45 s",
    ]
    told = [about(s) for s in (2, 83, 300, 1700, 3600, 6100, 122_000, 500_000)]
    assert told == ["5 s", "85 s", "5 min", "30 min", "1 h", "1 h 40 min", "34 h", "6 days"]
