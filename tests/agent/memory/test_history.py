"""What the arms, the terminal and the report are told of the candidates so far."""

from dataclasses import replace

import pytest

from agent.memory.history import IterationRecord, TrialRecord, noise_of, with_pooled_gains
from agent.memory.proposal import Proposal

NOTHING = Proposal(hypothesis="h", expected_gain=0.0, policy=[])


def record(number: int, *accuracies: float | None, arm: str = "tpe") -> IterationRecord:
    """A candidate with one trial for each accuracy; None is one that failed. What MLflow said of its gain is stale."""
    trials = tuple(
        TrialRecord(seed, "failed" if value is None else "finished", value)
        for seed, value in enumerate(accuracies)
    )
    known = [value for value in accuracies if value is not None]
    mean = sum(known) / len(known) if known else None
    gain = 0.01 if known and arm != "reference" else None
    return IterationRecord(
        number, arm, f"c{number}", NOTHING, trials, mean, None, gain, (-9.0, 9.0) if gain else None, True
    )


REFERENCE = record(0, 0.80, 0.82, arm="reference")


def test_an_earlier_interval_follows_from_all_candidates():
    first, rest = record(1, 0.90, 0.921), [record(n, 0.85 + n / 1000, 0.87 + n / 1000) for n in range(2, 9)]
    _, alone = with_pooled_gains([REFERENCE, first])
    _, among, *_ = with_pooled_gains([REFERENCE, first, *rest])
    assert alone.gain_interval is None  # one degree of freedom
    assert alone.within_noise
    assert among.gain_interval is not None
    low, high = among.gain_interval
    assert 0.09 < low < high < 0.11
    assert not among.within_noise


def test_gains_of_kappa_are_cut_where_kappa_ends():
    none = record(0, -0.42, -0.40, -0.41, arm="reference")
    records = [none, *(record(number, 0.80, 0.83, 0.82) for number in (1, 2, 3))]
    _, first, *_ = with_pooled_gains(records, "kappa")
    assert first.gain_interval is not None
    assert 1.2 < first.gain_interval[0] < first.gain_interval[1] < 1.25


def test_records_without_a_gain_stay_as_they_are():
    failed, running = record(1, None, None), replace(record(2, 0.9), gain=None, gain_interval=None)
    records = [REFERENCE, failed, running, record(3, 0.9, 0.91), record(4, 0.9, 0.93)]
    assert with_pooled_gains(records)[:3] == records[:3]


def test_without_the_reference_nothing_is_recomputed():
    records = [record(1, 0.9, 0.91), record(2, 0.9, 0.93)]
    assert with_pooled_gains(records) == records


def test_the_noise_is_that_of_all_candidates():
    assert noise_of([REFERENCE, record(1, 0.9)]) == pytest.approx(0.01 * 2**0.5)
    assert noise_of([REFERENCE, record(1, 0.90, 0.96)]) == pytest.approx(
        ((2 * 0.01**2 + 2 * 0.03**2) / 2) ** 0.5
    )
    assert noise_of([record(1, 0.9), record(2, None)]) is None
