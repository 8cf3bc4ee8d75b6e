import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.tools.training.trials import HELD_OUT, TRAIN, numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import AugurError
from tools.training.config import TrialSpec
from tools.training.epoch_log import read_epochs
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.trial_store import TrialStore, predictions_file, read_result
from tools.training.types import EpochReport, TrialResult

FLIP = "horizontal_flip(p=0.5) > rotate(p=0.5, degrees=15)"
MIXUP = "mixup(p=1, alpha=0.4)"


@dataclass
class Finished:
    """A trial that was trained, and what it reported."""

    spec: TrialSpec
    result: TrialResult
    reports: list[EpochReport]
    left: set[str]
    """Files in its folder when it ended."""


def train(spec: TrialSpec) -> Finished:
    reports, before = list[EpochReport](), torch.get_num_threads()
    torch.set_num_threads(1)  # a fixture of a module runs before `_one_thread`
    result = train_trial(spec, "cpu", reports.append)
    torch.set_num_threads(before)
    return Finished(spec, result, reports, {path.name for path in spec.directory.iterdir()})


@pytest.fixture(scope="module")
def finished(tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return train(tiny_trial(tinted, tmp_path_factory.mktemp("finished")))


def test_a_trial_reports_its_epochs_and_leaves_result_and_weights(finished: Finished):
    result, reports = finished.result, finished.reports
    assert result.status == "finished"
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert result.epochs == tuple(reports) == read_epochs(finished.spec.directory)
    assert result.scores is not None
    assert result.scores.accuracy == reports[-1].validation_accuracy
    assert sum(sum(row) for row in result.scores.confusion) == HELD_OUT
    assert result.seconds == pytest.approx(sum(report.seconds for report in reports))
    assert result.environment["torch"] == torch.__version__
    assert (result.environment["device"], result.environment["threads"]) == ("cpu", "1")
    assert TrialStore(finished.spec.directory.parent).result(finished.spec.key) == result
    assert finished.left == {
        "trial.lock",
        "epochs.jsonl",
        "result.json",
        "weights.safetensors",
        "predictions-validation.npz",
    }
    assert result.fit is not None
    assert result.fit.loss > 0


@pytest.fixture(scope="module")
def learned(tinted: CachedDataset, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Four epochs that learn, and a fifth that forgets, at a rate a hundred times as high; judged by the best."""
    recipe = {"schedule": "step", "step_size": 4, "gamma": 100.0, "epochs": 5, "selection": "best"}
    return train(tiny_trial(tinted, tmp_path_factory.mktemp("learned"), model="resnet18", **recipe))


def test_a_classifier_learns(learned: Finished):
    assert learned.result.scores is not None
    assert learned.result.scores.accuracy >= 0.8
    assert learned.reports[3].train_loss < 0.7 * learned.reports[0].train_loss


def test_the_best_epoch_is_kept_where_it_is_asked_for(learned: Finished):
    scores = learned.result.scores
    assert scores is not None
    best = max(learned.reports, key=lambda report: (report.validation_accuracy, -report.validation_loss))
    assert best.epoch < 5
    assert best.validation_accuracy > learned.reports[-1].validation_accuracy
    assert (scores.accuracy, scores.loss) == (best.validation_accuracy, best.validation_loss)
    assert evaluate_trial(learned.spec, "validation", "cpu").scores == scores


@pytest.mark.parametrize("policy", ["", f"{FLIP} > {MIXUP}"], ids=["none", "images and batches"])
def test_a_trial_is_equal_to_the_bit_when_repeated_with_and_without_loader_processes(
    tinted: CachedDataset, tmp_path: Path, policy: str
):
    found = []
    for random_state, loader_workers in enumerate((0, 0, 2)):
        folder = tmp_path / str(random_state)
        spec = tiny_trial(tinted, folder, policy, loader_workers=loader_workers, epochs=2)
        torch.manual_seed(random_state)
        result = train_trial(spec, "cpu", silent)
        assert result.status == "finished"
        weights = load_file(spec.directory / "weights.safetensors")
        found.append((numbers(result), {name: w.numpy().tobytes() for name, w in weights.items()}))
    assert found[0] == found[1] == found[2]


def test_policy_and_seed_change_the_numbers(tinted: CachedDataset, root: Path):
    specs = [
        tiny_trial(tinted, root, epochs=1),
        tiny_trial(tinted, root, policy=FLIP, epochs=1),
        tiny_trial(tinted, root, policy=MIXUP, epochs=1),
        tiny_trial(tinted, root, seed=1, epochs=1),
    ]
    losses = {train_trial(spec, "cpu", silent).epochs[0].train_loss for spec in specs}
    assert len(losses) == len(specs)


def test_seeds_pair_to_the_bit_across_policies(tinted: CachedDataset, root: Path):
    """A policy that happens never to act ends exactly as none: same initial weights, same order, same steps."""
    plain = train_trial(tiny_trial(tinted, root), "cpu", silent)
    idle = train_trial(tiny_trial(tinted, root, policy="horizontal_flip(p=0.0001)"), "cpu", silent)
    assert plain.key != idle.key
    assert plain.scores == idle.scores
    assert numbers(plain)["epochs"] == numbers(idle)["epochs"]


def test_the_callers_random_state_is_left_alone(tinted: CachedDataset, root: Path):
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    train_trial(tiny_trial(tinted, root, policy=FLIP, epochs=1), "cpu", silent)
    assert torch.equal(torch.rand(1), expected)


def test_a_finished_trial_is_not_trained_again(finished: Finished):
    reports = list[EpochReport]()
    assert train_trial(finished.spec, "cpu", reports.append) == finished.result
    assert reports == []


def test_losses_are_without_label_smoothing(tinted: CachedDataset, tmp_path: Path):
    # one step at a rate of almost nothing: both see the same weights
    tiny = {"epochs": 1, "batch_size": TRAIN, "learning_rate": 1e-30}
    plain = tiny_trial(tinted, tmp_path, label_smoothing=0.0, **tiny)
    smooth = tiny_trial(tinted, tmp_path, label_smoothing=0.9, **tiny)
    assert (
        train_trial(plain, "cpu", silent).epochs[0].train_loss
        == train_trial(smooth, "cpu", silent).epochs[0].train_loss
    )


def test_the_aga_recipe_trains(tinted: CachedDataset, root: Path):
    from tools.training.config import TrainingConfig
    from tools.training.recipes import resolve_recipe

    recipe = resolve_recipe(TrainingConfig(recipe="aga", epochs=2))
    spec = tiny_trial(tinted, root, **recipe.model_dump())
    assert train_trial(spec, "cpu", silent).status == "finished"


def test_evaluation_repeats_the_validation_scores_to_the_bit(tinted: CachedDataset, finished: Finished):
    kept = TrialStore(finished.spec.directory.parent).predictions(finished.spec.key, "validation")
    predictions_file(finished.spec.directory, "validation").unlink()
    predictions = evaluate_trial(finished.spec, "validation", "cpu")
    assert kept is not None
    np.testing.assert_array_equal(kept.probabilities, predictions.probabilities)
    assert predictions.scores == kept.scores == finished.result.scores
    assert predictions.probabilities.dtype == np.float32
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(predictions.labels, tinted.split("validation").labels)


def test_predictions_are_kept_with_the_trial_whose_weights_are_dropped(
    tinted: CachedDataset, finished: Finished, root: Path
):
    store = TrialStore(root)
    spec = finished.spec.model_copy(update={"directory": store.directory(finished.spec.key)})
    shutil.copytree(finished.spec.directory, spec.directory)
    predictions = evaluate_trial(spec, "test", "cpu")
    store.drop_weights(spec.key)
    kept = store.predictions(spec.key, "test")
    assert kept is not None
    assert kept.scores == predictions.scores == evaluate_trial(spec, "test", "cpu").scores
    np.testing.assert_array_equal(kept.labels, tinted.open_test().labels)
    with pytest.raises(AugurError, match=r"no weights"):
        evaluate_trial(spec, "train", "cpu")


def test_the_same_trial_elsewhere_has_the_same_result(tinted: CachedDataset, tmp_path: Path):
    """A cache that was moved, and its normalisation computed again, change nothing."""
    here = tiny_trial(tinted, tmp_path / "a", epochs=1)
    moved = tmp_path / "moved"
    pixels = tinted.folder.parents[1]
    shutil.copytree(pixels, moved, ignore=shutil.ignore_patterns("normalisation.json"))
    view = moved / tinted.folder.relative_to(pixels)
    there = here.model_copy(update={"cache": view, "directory": tmp_path / "b"})
    assert numbers(train_trial(here, "cpu", silent)) == numbers(train_trial(there, "cpu", silent))
    assert read_result(tmp_path / "b") is not None


def test_real_images_train(shared_data: Path, tmp_path: Path):
    from tools.datasets.cache.build import build_cache
    from tools.datasets.config import DataConfig
    from tools.datasets.registry import open_dataset

    config = DataConfig(path=shared_data / "antsbees2", image_size=32)
    cached = build_cache(open_dataset(config), config, 32, tmp_path / "cache")
    spec = tiny_trial(cached, tmp_path, policy=FLIP, batch_size=32, epochs=2)
    result = train_trial(spec, "cpu", silent)
    assert result.status == "finished"
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss
