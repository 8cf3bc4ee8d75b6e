import hashlib
import json
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tests.tools.training.trials import (
    CLASSES,
    SIZE,
    SOURCES,
    TRAIN,
    mixed,
    tiny_recipe,
    tiny_trial,
    write_set,
)
from tools.datasets.cache.read import CachedDataset
from tools.errors import DataError
from tools.training.batches import Batch, EpochBatches, Mixture, TrainingImages, epoch_batches
from tools.training.config import ModelConfig, TrainingConfig
from tools.training.recipes import resolve_recipe
from tools.training.synthetic import Mixing, Synthetic, open_synthetic
from tools.training.trial_store import trial_key

EXTRA, MATCHED = Mixing(), Mixing(step_matched=True)
REPLACE = Mixing(mode="replace", probability=0.5)
MIXINGS = pytest.mark.parametrize("mixing", [EXTRA, REPLACE], ids=["extra", "replace"])


def epoch_of(mixture: Mixture | None, epoch: int = 1, seed: int = 0, images: int = TRAIN) -> np.ndarray:
    batches = EpochBatches(images, 8, seed, mixture)
    batches.epoch = epoch
    return np.concatenate([batch.indices for batch in batches])


# ------------------------------------------------------------------ nothing changes without synthetic images


def test_trials_without_synthetic_images_keep_the_key_that_they_always_had():
    key = trial_key("{}", "f", ModelConfig(), resolve_recipe(TrainingConfig()), 0, 1)
    assert key == "fbdf627edbbbbfcec7d82e1ab126ac6bd5f1af4a0626a54e97a927a3f3c46e8e"


def test_trials_without_synthetic_images_keep_the_batches_that_they_always_had():
    digest = hashlib.sha256()
    for seed in (0, 7):
        batches = EpochBatches(50, 8, seed)
        for batches.epoch in (1, 2, 3):
            for batch in batches:
                digest.update(batch.seed.to_bytes(8, "little") + batch.indices.astype("<i8").tobytes())
    assert digest.hexdigest() == "7d8a35dd6d8734c1bd636e9df6c1ab09d1f0cef84195fa285a25fb387e1d99fe"


# ------------------------------------------------------------------ the key


def key(synthetic: Synthetic | None) -> str:
    return trial_key("{}", "f", ModelConfig(), tiny_recipe(), 0, 1, synthetic)


def test_the_set_and_how_it_is_mixed_decide_the_key():
    sets = [Synthetic(folder=Path("a"), key=name, mixing=m) for name in ("a", "b") for m in (EXTRA, MATCHED)]
    replacing = [mixed(Path("a"), Mixing(mode="replace", probability=p)) for p in (0.1, 0.9)]
    assert len({key(synthetic) for synthetic in [None, *sets, *replacing]}) == 7


def test_neither_the_place_of_the_set_nor_a_field_that_its_mode_ignores_is_in_the_key():
    assert key(mixed(Path("a"), EXTRA)) == key(mixed(Path("b"), Mixing(probability=0.1)))
    matched = Mixing(mode="replace", probability=0.5, step_matched=True)
    assert key(mixed(Path("a"), REPLACE)) == key(mixed(Path("a"), matched))


def test_a_probability_lies_between_0_and_1():
    for probability in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValidationError):
            Mixing(mode="replace", probability=probability)


# ------------------------------------------------------------------ which images an epoch has


def test_extra_images_come_once_each_beside_every_real_one():
    mixture = Mixture(TRAIN, SOURCES, EXTRA)
    assert sorted(epoch_of(mixture)) == list(range(TRAIN + len(SOURCES)))
    assert epoch_of(mixture).tolist() == epoch_of(mixture).tolist()
    assert epoch_of(mixture).tolist() != epoch_of(mixture, epoch=2).tolist()
    assert epoch_of(mixture).tolist() != epoch_of(mixture, seed=1).tolist()


def test_a_step_matched_epoch_draws_as_many_images_as_there_are_real_ones_from_both():
    sources = np.repeat(np.arange(1000), 3)
    mixture = Mixture(1000, sources, MATCHED)
    first, second = (epoch_of(mixture, epoch, images=1000) for epoch in (1, 2))
    assert len(first) == len(set(first)) == 1000
    assert set(first) != set(second)
    assert np.mean(first >= 1000) == pytest.approx(0.75, abs=0.05)


def test_a_real_image_is_replaced_only_by_its_own_and_the_order_of_sources_stays():
    mixture = Mixture(TRAIN, SOURCES, Mixing(mode="replace", probability=1))
    without, shown = epoch_of(None), epoch_of(mixture)
    synthetic = shown >= TRAIN
    sources = np.where(synthetic, SOURCES[np.where(synthetic, shown - TRAIN, 0)], shown)
    np.testing.assert_array_equal(sources, without)
    np.testing.assert_array_equal(synthetic, np.isin(without, SOURCES))


def test_replacements_come_with_the_probability_and_every_version_has_its_turn():
    sources = np.repeat(np.arange(1000), 3)
    mixture = Mixture(1000, sources, Mixing(mode="replace", probability=0.3))
    shown = epoch_of(mixture, images=1000)
    versions = (shown[shown >= 1000] - 1000) % 3
    assert np.mean(shown >= 1000) == pytest.approx(0.3, abs=0.05)
    assert np.bincount(versions) / len(versions) == pytest.approx([1 / 3] * 3, abs=0.1)
    assert set(shown) != set(epoch_of(mixture, epoch=2, images=1000))


def test_what_replaces_an_image_does_not_depend_on_the_versions_of_others():
    some = Mixture(TRAIN, np.array([4, 4]), REPLACE)
    more = Mixture(TRAIN, np.array([4, 4, 9, 9, 9]), REPLACE)
    for epoch in range(1, 9):
        assert set(epoch_of(some, epoch)) & {4, TRAIN, TRAIN + 1} == (
            set(epoch_of(more, epoch)) & {4, TRAIN, TRAIN + 1}
        )


def test_a_batch_holds_the_pixels_and_labels_of_both_kinds(tinted: CachedDataset, folder: Path):
    images = TrainingImages(tiny_trial(tinted, folder, synthetic=mixed(folder, EXTRA)))
    pixels, labels = images.__getitems__(Batch(0, np.array([TRAIN + 3, 1, TRAIN, 32])))
    view, made = tinted.split("train"), open_synthetic(folder)
    expected = [made.pixels[3], view.images[1], made.pixels[0], view.images[32]]
    np.testing.assert_array_equal(pixels.permute(0, 2, 3, 1).numpy(), np.stack(expected))
    assert labels.tolist() == [view.labels[row] for row in (5, 1, 0, 32)]
    assert len(images) == TRAIN + len(SOURCES)


def test_the_policy_augments_synthetic_images_as_real_ones(tinted: CachedDataset, folder: Path):
    images = TrainingImages(tiny_trial(tinted, folder, "invert(p=1)", synthetic=mixed(folder, EXTRA)))
    pixels, _ = images.__getitems__(Batch(0, np.array([1, TRAIN + 3])))
    expected = [tinted.split("train").images[1], open_synthetic(folder).pixels[3]]
    np.testing.assert_array_equal(255 - pixels.permute(0, 2, 3, 1).numpy(), np.stack(expected))


@MIXINGS
def test_the_memory_of_an_epoch_does_not_grow_with_the_pixels_of_the_set(
    tinted: CachedDataset, tmp_path: Path, mixing: Mixing
):
    labels = tinted.split("train").labels

    def peak(made: int) -> int:
        sources = np.arange(made) % TRAIN
        synthetic = mixed(write_set(tmp_path / f"{made}", sources, labels[sources]), mixing)
        spec = tiny_trial(tinted, tmp_path, synthetic=synthetic)
        tracemalloc.start()
        images = TrainingImages(spec)
        for batch in epoch_batches(spec, images):
            images.__getitems__(batch)
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest

    peak(100)
    assert peak(4000) - peak(99) < 4000 * 64, "a few numbers for each image, not its 768 bytes of pixels"


def test_an_opened_set_travels_without_its_pixels(folder: Path):
    sent = pickle.dumps(open_synthetic(folder))
    assert len(sent) < 500
    np.testing.assert_array_equal(pickle.loads(sent).pixels, np.load(folder / "pixels.npy"))


# ------------------------------------------------------------------ sets that are refused

SHAPE = (len(SOURCES), SIZE, SIZE, 3)
DESCRIPTION = {"key": "ab12", "image_size": SIZE, "images": len(SOURCES)}


def written(tinted: CachedDataset, folder: Path) -> Path:
    return write_set(folder, SOURCES, tinted.split("train").labels[SOURCES])


def refusal(tinted: CachedDataset, folder: Path, key: str = "ab12") -> str:
    images = TrainingImages(
        tiny_trial(tinted, folder, synthetic=Synthetic(folder=folder, key=key, mixing=EXTRA))
    )
    with pytest.raises(DataError) as caught:
        _ = images.synthetic
    return str(caught.value)


def test_a_missing_or_torn_file_is_named(tinted: CachedDataset, tmp_path: Path):
    for name in ("set.json", "pixels.npy", "labels.npy", "sources.npy"):
        folder = written(tinted, tmp_path / name)
        file = folder / name
        file.write_bytes(file.read_bytes()[:-9])
        assert str(file) in refusal(tinted, folder)
        file.unlink()
        assert name in refusal(tinted, folder)
        assert str(folder) in refusal(tinted, folder)


def test_arrays_that_do_not_fit_are_refused(tinted: CachedDataset, tmp_path: Path):
    for number, (name, array, told) in enumerate(
        [
            ("pixels.npy", np.zeros(SHAPE, np.float32), "float32"),
            ("pixels.npy", np.zeros((6, *SHAPE[1:]), np.uint8), "(6, 16, 16, 3)"),
            ("pixels.npy", np.zeros((7, 3, SIZE, SIZE), np.uint8), "(7, 3, 16, 16)"),
            ("pixels.npy", np.zeros(SHAPE, np.uint8, order="F"), "Fortran"),
            ("labels.npy", np.zeros(7, np.int32), "int32"),
            ("sources.npy", np.zeros(8, np.int64), "(8,)"),
            ("labels.npy", np.full(7, CLASSES), "classes are 0..2"),
            ("labels.npy", np.full(7, -1), "label -1"),
            ("sources.npy", np.full(7, TRAIN), "rows 0..32"),
            ("sources.npy", np.full(7, -1), "row -1"),
            ("labels.npy", np.full(7, 1), "row 0 of the training split"),
        ]
    ):
        folder = written(tinted, tmp_path / str(number))
        np.save(folder / name, array)
        assert told in refusal(tinted, folder)


def test_a_set_whose_description_says_otherwise_is_refused(tinted: CachedDataset, folder: Path):
    for change, told in (
        ({"key": "cd34"}, "ab12"),
        ({"images": 0}, "aga.gates"),
        ({"images": "7"}, "images: "),
        ({"images": 8}, "(8, 16, 16, 3)"),
        ({"image_size": 8}, "(7, 8, 8, 3)"),
    ):
        (folder / "set.json").write_text(json.dumps(DESCRIPTION | change))
        assert told in refusal(tinted, folder)


def test_images_of_another_size_than_the_training_images_are_refused(tinted: CachedDataset, folder: Path):
    np.save(folder / "pixels.npy", np.zeros((7, 8, 8, 3), np.uint8))
    (folder / "set.json").write_text(json.dumps(DESCRIPTION | {"image_size": 8}))
    assert "are 8 px, the training images 16 px" in refusal(tinted, folder)
