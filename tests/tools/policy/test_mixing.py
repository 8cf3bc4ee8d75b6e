"""What mixup and cutmix do to batches and their labels."""

import itertools

import pytest
import torch

from tests.tools.policy.pictures import alone, batch
from tools.policy.built_policy import build
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.policy import Policy

ON_BATCH = ["mixup", "cutmix"]


def test_mixing_gives_soft_labels_that_are_distributions():
    for name in ON_BATCH:
        built, (images, labels) = alone(name), batch()
        torch.manual_seed(0)

        mixed, soft = built.mix(images, labels)

        assert built.has_mix, name
        assert not built.is_identity, name
        assert mixed.shape == images.shape, name
        assert not torch.equal(mixed, images), name
        assert soft.shape == (6, 3), name
        assert torch.allclose(soft.sum(dim=1), torch.ones(6)), name
        assert ((soft > 0).sum(dim=1) == 2).all(), name


def test_mixup_blends_images_by_the_share_of_their_labels():
    images, labels = batch()
    torch.manual_seed(0)

    mixed, soft = alone("mixup", alpha=2).mix(images, labels)

    share = soft[0, labels[0]]
    assert torch.allclose(mixed, share * images + (1 - share) * images.roll(1, 0), atol=1e-6)


def test_cutmix_takes_from_the_other_image_the_share_of_its_label():
    images, labels = batch()
    torch.manual_seed(0)

    mixed, soft = alone("cutmix").mix(images, labels)

    own = (mixed == images).all(dim=1).float().mean(dim=(1, 2))
    assert torch.allclose(own, soft[torch.arange(6), labels], atol=1e-6)


def test_mixing_stays_finite_at_both_ends_of_alpha():
    torch.manual_seed(0)
    for name, end in itertools.product(ON_BATCH, ("low", "high")):
        built = alone(name, alpha=getattr(CATALOGUE[name].parameters[0], end))
        for _ in range(200):
            mixed, soft = built.mix(*batch())
            assert mixed.isfinite().all(), (name, end)
            assert ((soft >= 0) & (soft <= 1)).all(), (name, end)


def test_a_batch_is_mixed_with_the_probability_and_else_left_with_one_hot_labels():
    for name in ON_BATCH:
        operation = default_operation(name).model_copy(update={"probability": 0.3})
        built = build(Policy(operations=[operation]), 16, classes=3)
        images, labels = batch()
        torch.manual_seed(0)

        results = [built.mix(images, labels) for _ in range(400)]
        unmixed = [soft for mixed, soft in results if mixed is images]

        assert len(unmixed) / 400 == pytest.approx(0.7, abs=0.07), name
        assert torch.equal(unmixed[0], torch.eye(3)[labels]), name


def test_without_an_operation_on_the_batch_labels_become_one_hot():
    images, labels = batch()

    same, soft = alone("invert").mix(images, labels)

    assert same is images
    assert torch.equal(soft, torch.eye(3)[labels])
