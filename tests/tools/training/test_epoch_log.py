from pathlib import Path

from tools.training.epoch_log import EpochLog, EpochTail, read_epochs, seconds_spent
from tools.training.types import EpochReport


def epoch(number: int, seconds: float = 1.0) -> EpochReport:
    return EpochReport(number, 9, 0.5, 0.25, 0.125, 0.1, 1e-3, seconds)


def test_epochs_come_back_exactly(tmp_path: Path):
    report = EpochReport(1, 9, 1 / 3, 2 / 3, 1 / 7, 1e-300, 1e-3, 0.1)
    EpochLog(tmp_path).append(report)
    assert read_epochs(tmp_path) == (report,)


def test_a_trial_that_has_not_started_has_no_epochs(tmp_path: Path):
    assert read_epochs(tmp_path / "nowhere") == ()
    assert seconds_spent(tmp_path / "nowhere") == 0


def test_a_follower_sees_each_epoch_once(tmp_path: Path):
    log, tail = EpochLog(tmp_path), EpochTail(tmp_path)
    assert tail.new() == []
    log.append(epoch(1))
    log.append(epoch(2))
    assert [report.epoch for report in tail.new()] == [1, 2]
    assert tail.new() == []
    log.append(epoch(3))
    assert [report.epoch for report in tail.new()] == [3]


def test_a_follower_waits_for_the_end_of_a_line(tmp_path: Path):
    EpochLog(tmp_path).append(epoch(1))
    EpochLog(tmp_path).append(epoch(2))
    file, tail = tmp_path / "epochs.jsonl", EpochTail(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-30])
    assert [report.epoch for report in tail.new()] == [1]
    assert tail.new() == []
    file.write_bytes(whole)
    assert [report.epoch for report in tail.new()] == [2]


def test_a_line_cut_by_a_kill_is_dropped_by_the_next_sitting(tmp_path: Path):
    EpochLog(tmp_path).append(epoch(1))
    with (tmp_path / "epochs.jsonl").open("ab") as stream:
        stream.write(b'{"epoch": 2, "epo')
    EpochLog(tmp_path).append(epoch(2))
    assert [report.epoch for report in read_epochs(tmp_path)] == [1, 2]


def test_an_epoch_trained_twice_counts_once_but_costs_twice(tmp_path: Path):
    log, tail = EpochLog(tmp_path), EpochTail(tmp_path)
    for report in (epoch(1, 1.0), epoch(2, 2.0), epoch(2, 4.0), epoch(3, 8.0)):
        log.append(report)
    assert [report.epoch for report in read_epochs(tmp_path)] == [1, 2, 3]
    assert [report.epoch for report in tail.new()] == [1, 2, 3]
    assert seconds_spent(tmp_path) == 15.0
