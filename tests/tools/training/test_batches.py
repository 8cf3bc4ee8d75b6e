import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools.training.trials import SIZE, TRAIN, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.errors import DataError
from tools.training.batches import EpochBatches, TrainingImages
from tools.training.seeds import Stream, derived_seed

NONE = ""
FLIP = "horizontal_flip(p=0.5)"


def order(seed: int, epoch: int, images: int = 50) -> list[int]:
    batches = EpochBatches(images, 8, seed)
    batches.epoch = epoch
    return np.concatenate([batch.indices for batch in batches]).tolist()


def sizes(images: int, batch_size: int) -> list[int]:
    batches = EpochBatches(images, batch_size, seed=0)
    found = [len(batch.indices) for batch in batches]
    assert len(batches) == len(found)
    return found


def test_every_image_comes_once_in_an_epoch():
    assert sorted(order(seed=0, epoch=1)) == list(range(50))


def test_the_order_follows_from_seed_and_epoch():
    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)


def test_the_last_batch_is_kept_short():
    assert sizes(20, 8) == [8, 8, 4]
    assert sizes(16, 8) == [8, 8]
    assert sizes(5, 8) == [5]


def test_a_single_image_left_over_joins_the_batch_before_it():
    assert sizes(17, 8) == [8, 9]
    assert sizes(3, 2) == [3]


def test_one_image_is_not_enough_to_train():
    with pytest.raises(DataError, match="at least 2"):
        EpochBatches(1, 8, seed=0)


def test_every_place_has_a_random_stream_of_its_own():
    places = [(s, stream, e, b) for s in range(3) for stream in Stream for e in range(3) for b in range(3)]
    seeds = {derived_seed(s, stream, e, b) for s, stream, e, b in places}
    assert len(seeds) == len(places)
    assert all(0 <= seed < 2**63 for seed in seeds)


def training_images(tinted: CachedDataset, policy: str) -> TrainingImages:
    return TrainingImages(tiny_trial(tinted, tinted.folder, policy))


def batch_of(tinted: CachedDataset, policy: str) -> tuple[torch.Tensor, torch.Tensor]:
    batches = EpochBatches(TRAIN, 8, seed=3)
    return training_images(tinted, policy).__getitems__(next(iter(batches)))


def test_without_augmentation_a_batch_is_the_cached_images(tinted: CachedDataset):
    images, labels = batch_of(tinted, NONE)
    view = tinted.split("train")
    chosen = next(iter(EpochBatches(TRAIN, 8, seed=3))).indices
    assert images.dtype == torch.uint8
    np.testing.assert_array_equal(images.permute(0, 2, 3, 1).numpy(), view.images[chosen])
    np.testing.assert_array_equal(labels.numpy(), view.labels[chosen])


def test_augmentation_does_not_depend_on_what_was_drawn_before(tinted: CachedDataset):
    torch.manual_seed(1)
    first, _ = batch_of(tinted, FLIP)
    torch.manual_seed(2)
    again, _ = batch_of(tinted, FLIP)
    plain, _ = batch_of(tinted, NONE)
    assert torch.equal(first, again)
    assert not torch.equal(first, plain)


def test_training_images_travel_to_loader_processes_without_their_pixels(tinted: CachedDataset):
    images = training_images(tinted, FLIP)
    batch = next(iter(EpochBatches(TRAIN, 8, seed=3)))
    before, _ = images.__getitems__(batch)
    sent = pickle.dumps(images)
    assert len(sent) < 3000
    assert torch.equal(pickle.loads(sent).__getitems__(batch)[0], before)


def test_normalisation_is_the_training_images_own_and_kept_with_them(tinted: CachedDataset, tmp_path: Path):
    from tools.training.normalisation import Normalisation, training_normalisation

    images = tinted.split("train").images[:]
    found = training_normalisation(tmp_path, images)
    np.testing.assert_allclose(found.mean, images.reshape(-1, 3).mean(axis=0))
    np.testing.assert_allclose(found.std, images.reshape(-1, 3).std(axis=0))
    nothing: np.ndarray = np.zeros((0, SIZE, SIZE, 3), dtype=np.uint8)
    assert training_normalisation(tmp_path, nothing) == found
    every = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    normalised = Normalisation(found.mean, found.std).apply(every, "cpu")
    assert normalised.dtype == torch.float32
    torch.testing.assert_close(normalised.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalised.std(dim=(0, 2, 3), correction=0), torch.ones(3))


def test_a_channel_that_never_varies_is_centred_only(tmp_path: Path):
    from tools.training.normalisation import training_normalisation

    found = training_normalisation(tmp_path, np.full((4, 8, 8, 3), 7, dtype=np.uint8))
    assert found.mean == (7.0, 7.0, 7.0)
    assert found.std == (1.0, 1.0, 1.0)
