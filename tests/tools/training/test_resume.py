from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training import checkpoint
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochLog, read_epochs, seconds_spent
from tools.training.loop import train_trial
from tools.training.types import EpochReport

POLICY = "horizontal_flip(p=0.5) > mixup(p=0.5, alpha=0.4)"


class Interrupted(BaseException):
    """Ends a session at a chosen place, as Ctrl-C would."""


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints cost nothing, so that each epoch has one."""
    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)


def session(spec: TrialSpec, last_epoch: int) -> None:
    def on_epoch(report: EpochReport) -> None:
        if report.epoch == last_epoch:
            raise Interrupted

    with pytest.raises(Interrupted):
        train_trial(spec, "cpu", on_epoch)


def epochs_trained(spec: TrialSpec) -> tuple[list[int], object]:
    reports: list[EpochReport] = []
    result = train_trial(spec, "cpu", reports.append)
    return [report.epoch for report in reports], numbers(result)


@pytest.mark.parametrize(
    "more",
    [
        {"selection": "best"},
        {"model": "mobilenet_v2", "channels_last": True},
    ],
    ids=["best", "dropout and channels last"],
)
def test_a_resumed_trial_equals_an_uninterrupted_one(
    tinted: CachedDataset, tmp_path: Path, every_epoch: None, more: dict[str, Any]
):
    fields = {"learning_rate": 0.02, **more}
    whole = train_trial(tiny_trial(tinted, tmp_path / "a", POLICY, **fields), "cpu", silent)
    spec = tiny_trial(tinted, tmp_path / "b", POLICY, **fields)
    session(spec, last_epoch=1)
    session(spec, last_epoch=2)
    trained, resumed = epochs_trained(spec)
    assert trained == [3]
    assert resumed == numbers(whole)


def test_the_aga_recipe_resumes_exactly(tinted: CachedDataset, tmp_path: Path, every_epoch: None):
    fields = {"optimizer": "sgd", "schedule": "step", "step_size": 1, "gamma": 0.1, "epochs": 3}
    whole = train_trial(tiny_trial(tinted, tmp_path / "a", **fields), "cpu", silent)
    spec = tiny_trial(tinted, tmp_path / "b", **fields)
    session(spec, last_epoch=2)
    trained, resumed = epochs_trained(spec)
    assert trained == [3]
    assert resumed == numbers(whole)


def test_a_trial_killed_before_its_first_checkpoint_starts_again(tinted: CachedDataset, tmp_path: Path):
    whole = train_trial(tiny_trial(tinted, tmp_path / "a"), "cpu", silent)
    spec = tiny_trial(tinted, tmp_path / "b")
    session(spec, last_epoch=1)
    (spec.directory / "checkpoint.pt").unlink(missing_ok=True)
    spent = seconds_spent(spec.directory)
    trained, resumed = epochs_trained(spec)
    assert trained == [1, 2, 3]
    assert resumed == numbers(whole)
    assert seconds_spent(spec.directory) > 1.5 * spent


def test_what_a_kill_leaves_half_written_is_not_believed(
    tinted: CachedDataset, tmp_path: Path, every_epoch: None
):
    whole = train_trial(tiny_trial(tinted, tmp_path / "a"), "cpu", silent)
    spec = tiny_trial(tinted, tmp_path / "b")
    session(spec, last_epoch=2)
    left = [spec.directory / f".{name}.77-0.writing" for name in ("checkpoint.pt", "weights.safetensors")]
    for file in left:
        file.write_bytes(b"half")
    with (spec.directory / "epochs.jsonl").open("ab") as log:
        log.write(b'{"epoch": 3, "tr')
    trained, resumed = epochs_trained(spec)
    assert trained == [3]
    assert resumed == numbers(whole)
    assert [report.epoch for report in read_epochs(spec.directory)] == [1, 2, 3]
    assert not [file for file in left if file.exists()]


def test_a_damaged_checkpoint_is_reported_and_the_trial_starts_again(
    tinted: CachedDataset, tmp_path: Path, every_epoch: None, caplog: pytest.LogCaptureFixture
):
    spec = tiny_trial(tinted, tmp_path)
    session(spec, last_epoch=2)
    file = spec.directory / "checkpoint.pt"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    trained, _ = epochs_trained(spec)
    assert trained == [1, 2, 3]
    assert "checkpoint.pt is damaged" in caplog.text


def test_a_checkpoint_holds_no_code(tinted: CachedDataset, tmp_path: Path, every_epoch: None):
    spec = tiny_trial(tinted, tmp_path, selection="best")
    session(spec, last_epoch=1)
    content = torch.load(spec.directory / "checkpoint.pt", weights_only=True)
    assert content["key"] == spec.key


def test_writing_checkpoints_takes_a_small_share_of_the_time(tmp_path: Path):
    """With a model so large that writing it once takes longer than its epoch."""
    model = torch.nn.Linear(4000, 4000)
    kept = checkpoint.Checkpoint(tmp_path, "k")
    assert not kept.save_if_due({"model": model.state_dict()}, model)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_the_log_of_an_interrupted_session_counts_as_time_spent(tmp_path: Path):
    EpochLog(tmp_path).append(EpochReport(1, 2, 1, 1, 0, 0, 1e-3, 5.0))
    EpochLog(tmp_path).append(EpochReport(1, 2, 1, 1, 0, 0, 1e-3, 6.0))
    assert seconds_spent(tmp_path) == 11.0
