"""Classes of unequal size: in the loss, in what an epoch draws, in the trial's key, and in words."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.tools.training.trials import mixed, tiny_recipe, tiny_trial, write_set
from tools.datasets.cache.read import CachedDataset
from tools.training.batches import epoch_batches, training_images
from tools.training.config import Recipe, TrainingConfig
from tools.training.imbalance import BalancedDraw, class_term, describe_imbalance
from tools.training.recipes import describe_recipe, resolve_recipe
from tools.training.step import update
from tools.training.synthetic import Mixing

LABELS = np.array([0] * 6 + [1] * 3 + [2])
COUNTS = torch.tensor([6.0, 3.0, 1.0])
KINDS = ("weighted_loss", "balanced_sampling", "logit_adjustment")


def stepped(recipe: Recipe, targets: torch.Tensor) -> torch.Tensor:
    """The gradient of a linear model after one batch of ten images."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    inputs, plain = torch.randn(10, 4), torch.optim.SGD(model.parameters(), lr=0.0)
    off = torch.GradScaler(enabled=False)
    term = class_term(recipe, LABELS, 3)
    update(model, plain, off, inputs, targets, recipe, nullcontext(), term)
    assert model.weight.grad is not None
    return model.weight.grad


def expected(loss: "torch.nn.Module | object", targets: torch.Tensor) -> torch.Tensor:
    """That of `loss`, written out, on the same model and batch."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    logits = model(torch.randn(10, 4))
    loss(logits, targets).backward()  # type: ignore[operator]
    assert model.weight.grad is not None
    return model.weight.grad


def recipe_of(kind: str) -> Recipe:
    return tiny_recipe(imbalance=kind, label_smoothing=0.0, gradient_clip=None)


@pytest.mark.parametrize("soft", [False, True])
def test_the_weighted_loss_counts_every_class_alike(soft: bool) -> None:
    labels = torch.from_numpy(LABELS)
    targets = nn.functional.one_hot(labels, 3).float() if soft else labels

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        each = nn.functional.cross_entropy(logits, targets, reduction="none")
        return sum(each[labels == label].mean() for label in range(3)) / 3  # type: ignore[return-value]

    assert torch.allclose(stepped(recipe_of("weighted_loss"), targets), expected(loss, targets), atol=1e-6)


def test_logit_adjustment_is_the_loss_of_the_paper() -> None:
    """Equation 10 of Menon et al. 2021: log[1 + sum over y' != y of (pi_y' / pi_y) exp(f_y' - f_y)]."""
    labels, prior = torch.from_numpy(LABELS), COUNTS / 10

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(())
        for row, label in zip(logits, targets.tolist(), strict=True):
            others = [other for other in range(3) if other != label]
            terms = [prior[o] / prior[label] * torch.exp(row[o] - row[label]) for o in others]
            total = total + torch.log1p(torch.stack(terms).sum())
        return total / len(targets)

    assert torch.allclose(stepped(recipe_of("logit_adjustment"), labels), expected(loss, labels), atol=1e-6)


def test_a_balanced_draw_uses_a_class_up_before_it_begins_again() -> None:
    drawn = BalancedDraw(LABELS).draw(np.random.default_rng(1), 14)
    by_class = np.bincount(LABELS[drawn], minlength=3)
    assert sorted(by_class) == [4, 5, 5]
    times = np.bincount(drawn, minlength=10)
    assert times[:6].max() == 1
    assert set(times[6:9]) <= {1, 2}
    assert times[9] == by_class[2]


@pytest.mark.parametrize("mode", [None, "extra", "replace"])
def test_epochs_have_as_many_images_of_every_class(
    tinted: CachedDataset, tmp_path: Path, mode: str | None
) -> None:
    synthetic = None
    if mode is not None:
        sources = np.array([0, 3, 6, 9, 12])  # all of class 0
        folder = write_set(tmp_path / "set", sources, np.zeros(5))
        synthetic = mixed(folder, Mixing(mode=mode))  # type: ignore[arg-type]
    spec = tiny_trial(tinted, tmp_path, imbalance="balanced_sampling", synthetic=synthetic)
    images = training_images(spec)
    batches = epoch_batches(spec, images)
    seen = np.concatenate([batch.indices for batch in batches])
    counts = np.bincount(images.labels(seen), minlength=3)
    assert len(seen) == batches.images
    assert counts.max() - counts.min() <= 1


def test_the_option_is_in_a_key_only_where_it_is_used(tinted: CachedDataset, tmp_path: Path) -> None:
    plain = tiny_trial(tinted, tmp_path)
    assert tiny_trial(tinted, tmp_path, imbalance="none").key == plain.key
    assert len({plain.key, *(tiny_trial(tinted, tmp_path, imbalance=kind).key for kind in KINDS)}) == 4


def test_recipes_and_data_are_described_with_it() -> None:
    weighted = resolve_recipe(TrainingConfig(imbalance="weighted_loss"))
    assert describe_recipe(weighted).endswith("the loss weights each class by the inverse of its frequency")
    assert "loss" not in describe_recipe(resolve_recipe(TrainingConfig()))
    assert describe_imbalance({"a": 20, "b": 18}, "none", "accuracy") == ""
    sizes = {"benign": 936, "malignant": 463}
    told = describe_imbalance(sizes, "none", "accuracy")
    assert told.startswith("benign has 2.0 times the training images of malignant; nothing is done about")
    assert told.endswith(
        "accuracy decides, which counts images, not classes (search.metric: balanced_accuracy, macro_f1)"
    )
    assert "decides" not in describe_imbalance(sizes, "none", "macro_f1")
    assert "decides" not in describe_imbalance(sizes, "none", "accuracy", several_labels=True)
    assert "logit adjustment" in describe_imbalance({"a": 20, "b": 18}, "logit_adjustment", "accuracy")


def test_balanced_sampling_needs_draws_of_its_own() -> None:
    with pytest.raises(ValueError, match="balanced_sampling draws images of small classes several times"):
        TrainingConfig(imbalance="balanced_sampling", draws="shared")
