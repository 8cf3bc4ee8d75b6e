from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.errors import ConfigurationError
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.recipes import resolve_recipe
from tools.training.trial_store import TrialStore, read_result, trial_key, write_predictions, write_result
from tools.training.types import EpochReport, Predictions, Scores, TrialResult

SCORES = Scores(0.4, 0.75, 0.7, 0.72, 0.6, (0.5, None), ((1, 1), (0, 2)))


def key(**changes: Any) -> str:
    given: dict[str, Any] = {
        "canonical_policy": "{}",
        "fingerprint": "f",
        "model": ModelConfig(),
        "recipe": resolve_recipe(TrainingConfig()),
        "seed": 0,
        "schema_version": 1,
    }
    return trial_key(**{**given, **changes})


def test_a_forgotten_trial_leaves_nothing_that_training_would_find(tmp_path):
    store = TrialStore(tmp_path)
    directory = store.directory("k")
    directory.mkdir()
    for name in ("weights.safetensors", "checkpoint.pt", "epochs.jsonl"):
        (directory / name).write_bytes(b"x")
    write_result(directory, TrialResult("k", 0, "finished", SCORES))
    store.forget("k")
    store.forget("never there")
    assert store.result("k") is None
    assert not store.has_weights("k")
    assert {file.name for file in directory.iterdir()} <= {"trial.lock"}


def test_the_key_is_sha256_and_the_same_every_time():
    assert key() == key()
    assert len(key()) == 64
    assert set(key()) <= set("0123456789abcdef")


def test_everything_that_decides_the_outcome_is_in_the_key():
    changes: list[dict[str, Any]] = [
        {},
        {"canonical_policy": "{ }"},
        {"fingerprint": "g"},
        {"model": ModelConfig(name="resnet50")},
        {"model": ModelConfig(stem="small")},
        {"recipe": resolve_recipe(TrainingConfig(epochs=9))},
        {"recipe": resolve_recipe(TrainingConfig(selection="best"))},
        {"seed": 1},
        {"schema_version": 2},
    ]
    assert len({key(**change) for change in changes}) == len(changes)


def test_fields_of_the_recipe_that_came_later_leave_earlier_keys_as_they_were():
    """The key that version 0.1 gave to this trial."""
    recipe = resolve_recipe(TrainingConfig())
    assert key(recipe=recipe) == "fbdf627edbbbbfcec7d82e1ab126ac6bd5f1af4a0626a54e97a927a3f3c46e8e"
    later = [
        recipe.model_copy(update=change)
        for change in ({"warmup_steps": 9}, {"cooldown_fraction": 0.25}, {"channels_last": True})
    ]
    assert len({key(recipe=each) for each in (recipe, *later)}) == 4


def test_a_weights_file_counts_by_its_content_not_by_its_place(tmp_path: Path):
    here, there, other = tmp_path / "a.pth", tmp_path / "b.pth", tmp_path / "c.pth"
    here.write_bytes(b"weights")
    there.write_bytes(b"weights")
    other.write_bytes(b"others")

    def of(file: Path) -> str:
        return key(model=ModelConfig(weights=str(file)))

    assert of(here) == of(there)
    assert len({of(here), of(other), key(), key(model=ModelConfig(weights="torchvision"))}) == 4


def test_a_weights_file_that_changes_changes_the_key(tmp_path: Path):
    file = tmp_path / "a.pth"
    file.write_bytes(b"one")
    before = key(model=ModelConfig(weights=str(file)))
    file.write_bytes(b"others")
    assert key(model=ModelConfig(weights=str(file))) != before


def test_a_missing_weights_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"gone\.pth.*model\.weights"):
        key(model=ModelConfig(weights=str(tmp_path / "gone.pth")))


def test_a_result_comes_back_as_it_was_written(tmp_path: Path):
    store = TrialStore(tmp_path)
    result = TrialResult(
        key="k",
        seed=3,
        status="finished",
        scores=SCORES,
        epochs=(EpochReport(1, 1, 0.1, 0.2, 0.3, 0.4, 1e-3, 2.0),),
        seconds=2.0,
        environment={"device": "cpu"},
    )
    store.directory("k").mkdir()
    assert store.result("k") is None
    write_result(store.directory("k"), result)
    assert store.result("k") == result
    assert read_result(tmp_path / "k") == result


def test_predictions_come_back_as_they_were_written(tmp_path: Path):
    store = TrialStore(tmp_path)
    store.directory("k").mkdir()
    assert store.predictions("k", "test") is None
    probabilities = np.array([[0.25, 0.75]], dtype=np.float32)
    write_predictions(store.directory("k"), "test", Predictions(probabilities, np.array([1]), SCORES))
    read = store.predictions("k", "test")
    assert read is not None
    assert read.scores == SCORES
    np.testing.assert_array_equal(read.probabilities, probabilities)
    np.testing.assert_array_equal(read.labels, [1])
    assert store.predictions("k", "validation") is None


def test_dropping_weights_keeps_the_result(tmp_path: Path):
    store = TrialStore(tmp_path)
    store.directory("k").mkdir()
    (store.directory("k") / "weights.safetensors").write_bytes(b"w")
    write_result(store.directory("k"), TrialResult("k", 0, "finished", SCORES))
    assert store.has_weights("k")
    store.drop_weights("k")
    store.drop_weights("k")
    assert not store.has_weights("k")
    assert store.result("k") is not None
