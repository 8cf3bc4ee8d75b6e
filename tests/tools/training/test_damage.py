"""Files of a trial that were torn, emptied, or changed: found by their digests, told, and made again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.files import DamagedFile
from tools.training import checkpoint
from tools.training.config import TrialSpec
from tools.training.epoch_log import EpochLog, EpochTail, read_epochs
from tools.training.evaluation import evaluate_trial, load_trained
from tools.training.loop import train_trial
from tools.training.normalisation import training_normalisation
from tools.training.trial_store import TrialStore, read_predictions, read_result
from tools.training.types import EpochReport, TrialResult


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def zero(file: Path) -> None:
    """As some file systems leave a file that was not synced before a power cut."""
    file.write_bytes(bytes(file.stat().st_size))


Damage = Callable[[Path], None]
DAMAGES = pytest.mark.parametrize("damage", [flip, cut, empty, zero])


@pytest.fixture(scope="module")
def trained(tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialSpec, TrialResult]:
    spec = tiny_trial(tinted, tmp_path_factory.mktemp("trained"), epochs=2)
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the tests
    result = train_trial(spec, "cpu", silent)
    evaluate_trial(spec, "test", "cpu")
    torch.set_num_threads(before)
    return spec, result


@pytest.fixture
def copy(trained: tuple[TrialSpec, TrialResult], root: Path) -> TrialSpec:
    """A trial of its own with the files of the trained one."""
    spec, _ = trained
    directory = root / spec.key
    directory.mkdir(parents=True)
    for file in spec.directory.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    return spec.model_copy(update={"directory": directory})


def store(spec: TrialSpec) -> TrialStore:
    return TrialStore(spec.directory.parent)


@DAMAGES
def test_a_damaged_result_is_named_and_the_trial_is_trained_again(
    trained: tuple[TrialSpec, TrialResult], copy: TrialSpec, damage: Damage, caplog: pytest.LogCaptureFixture
):
    file = copy.directory / "result.json"
    damage(file)
    with pytest.raises(DamagedFile, match=r"result\.json is damaged"):
        store(copy).result(copy.key)
    again = train_trial(copy, "cpu", silent)
    assert numbers(again) == numbers(trained[1])
    assert f"{file} is damaged" in caplog.text
    assert store(copy).result(copy.key) == again


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["scores"].update(accuracy=1.0),
        lambda content: content.update(weights_sha256="0" * 64),
        lambda content: content.pop("scores"),
        lambda content: content.update(surprise=1),
    ],
)
def test_a_result_that_was_edited_is_not_believed(copy: TrialSpec, change: Callable[[Any], None]):
    file = copy.directory / "result.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(DamagedFile):
        read_result(copy.directory)


def test_the_result_of_another_trial_is_not_taken_for_its_own(copy: TrialSpec):
    other = store(copy).directory("f" * 64)
    other.mkdir()
    (other / "result.json").write_bytes((copy.directory / "result.json").read_bytes())
    with pytest.raises(DamagedFile, match=f"it is of the trial {copy.key[:12]}"):
        store(copy).result("f" * 64)


@DAMAGES
def test_damaged_weights_are_found_before_they_are_used(copy: TrialSpec, damage: Damage):
    assert store(copy).has_weights(copy.key)
    damage(copy.directory / "weights.safetensors")
    with pytest.raises(DamagedFile, match=r"weights\.safetensors"):
        store(copy).has_weights(copy.key)
    with pytest.raises(DamagedFile, match=r"weights\.safetensors"):
        load_trained(copy, "cpu")


@DAMAGES
def test_damaged_predictions_are_named_and_made_again(
    copy: TrialSpec, damage: Damage, caplog: pytest.LogCaptureFixture
):
    before = read_predictions(copy.directory, "test")
    assert before is not None
    damage(copy.directory / "predictions-test.npz")
    with pytest.raises(DamagedFile, match=r"predictions-test\.npz"):
        read_predictions(copy.directory, "test")
    again = evaluate_trial(copy, "test", "cpu")
    np.testing.assert_array_equal(again.probabilities, before.probabilities)
    assert again.scores == before.scores
    assert "predictions-test.npz is damaged" in caplog.text


def test_predictions_of_another_split_are_not_taken_for_these(copy: TrialSpec):
    file = copy.directory / "predictions-test.npz"
    file.rename(copy.directory / "predictions-validation.npz")
    with pytest.raises(DamagedFile):
        read_predictions(copy.directory, "validation")


def test_a_folder_of_a_version_without_digests_is_read(copy: TrialSpec):
    file = copy.directory / "result.json"
    content = json.loads(file.read_text())
    del content["sha256"], content["weights_sha256"]
    file.write_text(json.dumps(content))
    predictions = copy.directory / "predictions-test.npz"
    arrays = dict(np.load(predictions))
    del arrays["digest"]
    np.savez(predictions, **arrays)
    assert store(copy).result(copy.key) is not None
    assert store(copy).has_weights(copy.key)
    assert store(copy).predictions(copy.key, "test") is not None


@DAMAGES
def test_a_damaged_checkpoint_is_named_and_the_trial_starts_again(
    tinted: CachedDataset,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: tuple[TrialSpec, TrialResult],
    damage: Damage,
    caplog: pytest.LogCaptureFixture,
):
    class Interrupted(BaseException):
        pass

    def interrupt(report: EpochReport) -> None:
        raise Interrupted

    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", 1e9)
    spec = tiny_trial(tinted, root, epochs=2)
    with pytest.raises(Interrupted):
        train_trial(spec, "cpu", interrupt)
    damage(spec.directory / "checkpoint.pt")
    epochs: list[EpochReport] = []
    result = train_trial(spec, "cpu", epochs.append)
    assert [report.epoch for report in epochs] == [1, 2]
    assert numbers(result) == numbers(trained[1])
    assert "checkpoint.pt is damaged" in caplog.text


@DAMAGES
def test_a_damaged_normalisation_is_computed_again(
    tinted: CachedDataset, tmp_path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
):
    images = tinted.split("train").images
    right = training_normalisation(tmp_path, images)
    file = tmp_path / "normalisation.json"
    damage(file)
    assert training_normalisation(tmp_path, images) == right
    assert "normalisation.json is damaged" in caplog.text
    file.write_text(json.dumps({"mean": [0, 0, 0], "std": [0, 1, 1]}))
    assert training_normalisation(tmp_path, images) == right


@pytest.mark.parametrize(
    "line", [b"{", b"\0\0\0", b"[]", b"{}", b'{"epoch": 2, "epochs": 2, "train_loss": 9, "crc32": "0"}']
)
def test_a_damaged_line_of_the_log_is_left_out_and_removed(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
):
    reports = [EpochReport(number, 3, 1.0, 1.0, 0.5, 0.5, 1e-3, 2.0) for number in (1, 2, 3)]
    log, tail = EpochLog(tmp_path), EpochTail(tmp_path)
    log.append(reports[0])
    with (tmp_path / "epochs.jsonl").open("ab") as opened:
        opened.write(line + b"\n")
    log.append(reports[1])
    assert tail.new() == reports[:2]
    EpochLog(tmp_path).append(reports[2])
    assert tail.new() == reports[2:]
    assert read_epochs(tmp_path) == tuple(reports)
    assert (tmp_path / "epochs.jsonl").read_bytes().count(b"\n") == 3
    assert "epochs.jsonl is damaged: 1 of its lines" in caplog.text
