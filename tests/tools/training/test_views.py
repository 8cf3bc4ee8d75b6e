import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.tools.training.trials import HELD_OUT, SIZE, TRAIN, mixed, numbers, silent, tiny_trial, write_set
from tools.datasets.cache.read import CachedDataset
from tools.errors import DataError
from tools.training.batches import TrainingImages
from tools.training.config import Fold, fold_of_seed
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.normalisation import training_normalisation
from tools.training.synthetic import Mixing
from tools.training.trial_store import read_predictions
from tools.training.views import (
    shown_view,
    source_places,
    training_size,
    training_view,
    validation_view,
)

FOLDS = 3


def in_fold(tinted: CachedDataset, root: Path, number: int, count: int = FOLDS, **more):
    return tiny_trial(tinted, root, fold=Fold(number=number, count=count), **more)


def files_of(spec) -> tuple[list[str], list[str]]:
    return training_view(spec).files, validation_view(spec).files


def test_every_fold_trains_on_what_it_does_not_validate_on(tinted: CachedDataset, tmp_path: Path):
    pool = {*tinted.split("train").files, *tinted.split("validation").files}
    validated: list[str] = []
    for number in range(FOLDS):
        train, validation = files_of(in_fold(tinted, tmp_path, number))
        assert set(train) | set(validation) == pool
        assert len(train) + len(validation) == len(pool)
        validated += validation
    assert sorted(validated) == sorted(pool), "each image is validated on in exactly one fold"


def test_the_images_of_a_fold_are_those_of_its_files(tinted: CachedDataset, tmp_path: Path):
    images, labels = {}, {}
    for split in (tinted.split("train"), tinted.split("validation")):
        images |= dict(zip(split.files, split.images, strict=True))
        labels |= dict(zip(split.files, split.labels.tolist(), strict=True))
    spec = in_fold(tinted, tmp_path, 2)
    for view in (training_view(spec), validation_view(spec)):
        assert view.labels.tolist() == [labels[file] for file in view.files]
        np.testing.assert_array_equal(view.images[:], np.stack([images[file] for file in view.files]))


def test_fold_0_is_the_splits_as_they_are_and_shares_their_trial(tinted: CachedDataset, tmp_path: Path):
    plain, first = tiny_trial(tinted, tmp_path), in_fold(tinted, tmp_path, 0)
    assert (
        files_of(first) == files_of(plain) == (tinted.split("train").files, tinted.split("validation").files)
    )
    assert first.key == plain.key
    keys = {
        in_fold(tinted, tmp_path, number, count).key for number, count in ((0, 3), (1, 3), (2, 3), (1, 4))
    }
    assert len(keys) == 4


def test_folds_of_the_training_split_leave_the_validation_split_alone(tinted: CachedDataset, tmp_path: Path):
    held: list[str] = []
    for number in range(FOLDS):
        fold = Fold(number=number, count=FOLDS, of="train")
        train, validation = files_of(tiny_trial(tinted, tmp_path, fold=fold))
        assert sorted([*train, *validation]) == tinted.split("train").files
        held += validation
    assert sorted(held) == tinted.split("train").files


def test_a_view_of_a_fold_travels_without_its_pixels(tinted: CachedDataset, tmp_path: Path):
    view = training_view(in_fold(tinted, tmp_path, 1))
    sent = pickle.dumps(view)
    assert len(sent) < SIZE * SIZE * 3 * 2
    again = pickle.loads(sent)
    assert (again.files, again.name) == (view.files, "train")
    np.testing.assert_array_equal(again.images[:], view.images[:])


def test_a_fold_that_the_data_are_too_few_for_is_refused_with_the_remedy(
    tinted: CachedDataset, tmp_path: Path
):
    with pytest.raises(DataError, match=r"fold 60 of 60.*data\.folds off"):
        validation_view(in_fold(tinted, tmp_path, 59, 60))
    with pytest.raises(ValueError, match="0 to 2"):
        Fold(number=3, count=3)


def test_seeds_take_turns_with_the_folds():
    assert [fold_of_seed(seed, 3) for seed in (0, 4, 3_000_000_002)] == [
        Fold(number=number, count=3) for number in (0, 1, 2)
    ]
    assert fold_of_seed(7, None) is None


def test_images_that_are_shown_are_in_no_fold_of_the_seeds(tinted: CachedDataset, tmp_path: Path):
    seeds = (0, 1, 7)
    shown = shown_view(tinted.folder, 6, seeds).files
    validated = {file for seed in seeds for file in files_of(in_fold(tinted, tmp_path, seed % 6, 6))[1]}
    assert shown
    assert not set(shown) & validated
    assert set(shown) < set(tinted.split("train").files)
    assert {*shown, *validated} == {*tinted.split("train").files, *tinted.split("validation").files}


def test_without_free_folds_images_of_the_training_split_are_shown(tinted: CachedDataset):
    training = tinted.split("train").files
    assert shown_view(tinted.folder, 3, range(3)).files == training
    assert shown_view(tinted.folder, None, range(3)).files == training


def test_what_was_made_from_an_image_that_is_validated_on_is_not_trained_on(
    tinted: CachedDataset, tmp_path: Path
):
    split = tinted.split("train")
    sources = np.arange(2 * TRAIN) % TRAIN
    made = write_set(tmp_path / "set", sources, split.labels[sources])
    pixels = np.load(made / "pixels.npy")
    spec = in_fold(tinted, tmp_path, 1, synthetic=mixed(made, Mixing()))
    images, held = TrainingImages(spec), set(validation_view(spec).files)
    kept = [row for row, source in enumerate(sources) if split.files[source] not in held]
    assert images.synthetic is not None
    assert 0 < len(images.synthetic) == len(kept) < len(sources)
    found, labels = images.synthetic.read(np.arange(len(kept)))
    np.testing.assert_array_equal(found, pixels[kept])
    assert labels.tolist() == split.labels[sources[kept]].tolist()
    assert [images.view.files[at] for at in images.synthetic.sources] == [
        split.files[sources[row]] for row in kept
    ]
    assert len(images) == TRAIN + HELD_OUT - len(held) + len(kept)


def test_only_training_images_that_are_not_held_out_are_sources(tinted: CachedDataset, tmp_path: Path):
    spec = in_fold(tinted, tmp_path, 2)
    view, places = training_view(spec), source_places(spec)
    for row, place in enumerate(places):
        file = tinted.split("train").files[row]
        assert (view.files[place] == file) if place >= 0 else (file in validation_view(spec).files)
    assert source_places(tiny_trial(tinted, tmp_path)).tolist() == list(range(TRAIN))


def test_each_fold_is_normalised_by_its_own_training_images(tinted: CachedDataset, tmp_path: Path):
    found = []
    for number in range(FOLDS):
        spec = in_fold(tinted, tmp_path, number)
        images = training_view(spec).images[:]
        for _ in range(2):  # computed, then read back
            normalisation = training_normalisation(tmp_path, images, spec.fold)
            np.testing.assert_allclose(normalisation.mean, images.reshape(-1, 3).mean(axis=0))
        found.append(normalisation)
    assert len(set(found)) == FOLDS


def test_a_trial_in_a_fold_is_trained_on_it_and_judged_by_it(tinted: CachedDataset, tmp_path: Path):
    spec = in_fold(tinted, tmp_path, 1)
    result = train_trial(spec, "cpu", silent)
    kept = read_predictions(spec.directory, "validation")
    assert kept is not None
    assert result.scores == kept.scores
    assert kept.labels.tolist() == validation_view(spec).labels.tolist()
    on_training = evaluate_trial(spec, "train", "cpu")
    assert on_training.labels.tolist() == training_view(spec).labels.tolist()
    assert result.fit is not None
    assert result.fit.loss == pytest.approx(on_training.scores.loss, abs=1e-6), (
        "all of them are in its sample"
    )
    again = train_trial(in_fold(tinted, tmp_path / "again", 1), "cpu", silent)
    assert numbers(again) == numbers(result)
    other = train_trial(in_fold(tinted, tmp_path, 2), "cpu", silent)
    assert other.scores != result.scores


@pytest.mark.parametrize(
    "fold", [None, *(Fold(number=n, count=FOLDS) for n in range(FOLDS)), Fold(number=1, count=4, of="train")]
)
def test_the_size_of_a_training_view_is_known_without_opening_it(
    tinted: CachedDataset, tmp_path: Path, fold: Fold | None
):
    spec = tiny_trial(tinted, tmp_path, fold=fold)
    assert training_size(tinted.folder, fold) == len(training_view(spec))
