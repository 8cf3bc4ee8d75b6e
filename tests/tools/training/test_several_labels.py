"""Trials on images that may have several labels: the loss, the scores, mixing, resuming, and the packed trainer."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from tests.tools.training.trials import labelled_data, numbers, silent, tiny_recipe, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.training.evaluation import score
from tools.training.imbalance import class_term
from tools.training.loop import train_trial
from tools.training.packed.pack import Outcome, Pack
from tools.training.step import update
from tools.training.trial_store import read_predictions

MIXUP = "horizontal_flip(p=0.5) > mixup(p=0.7, alpha=0.4)"


@pytest.fixture(scope="module")
def cached(tmp_path_factory) -> CachedDataset:
    return labelled_data(tmp_path_factory.mktemp("data"))


def test_the_loss_is_the_binary_cross_entropy_of_every_label():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    images = torch.randn(4, 3, 2, 2)
    targets = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0.3, 0, 0.7], [1, 1, 1]])
    logits = model(images).detach()
    expected = -(targets * logits.sigmoid().log() + (1 - targets) * (-logits).sigmoid().log()).mean()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.GradScaler(enabled=False)
    found = update(
        model,
        optimizer,
        scaler,
        images,
        targets,
        tiny_recipe(label_smoothing=0.1, gradient_clip=None),
        torch.autocast("cpu", enabled=False),
        several_labels=True,
    )
    assert float(found) == pytest.approx(float(expected), abs=1e-6), "without label smoothing"


@pytest.mark.parametrize("count", [40, 200])
def test_scores_are_those_of_scikit_learn_over_the_labels_that_are_defined(count):
    rng = np.random.default_rng(count)
    labels = (rng.random((count, 5)) < [0.5, 0.2, 0.1, 0.0, 1.0]).astype(np.uint8)
    labels[0, 2] = 1
    probabilities = np.clip(0.3 * labels + 0.7 * rng.random((count, 5)).round(2), 0, 1)
    found = score(probabilities, labels, False, 0.5)
    each = [(labels[:, at], probabilities[:, at]) for at in range(3)]
    assert found.auroc == pytest.approx(np.mean([roc_auc_score(*pair) for pair in each]))
    assert found.average_precision == pytest.approx(
        np.mean([average_precision_score(*pair) for pair in each])
    )
    assert found.per_label_auroc[3:] == found.per_label_precision[3:] == (None, None)
    assert found.accuracy == pytest.approx(((probabilities >= 0.5) == labels).mean())
    predicted = probabilities >= 0.5
    f1 = [
        f1_score(labels[:, at], predicted[:, at])
        for at in range(5)
        if (labels[:, at] + predicted[:, at]).any()
    ]
    assert found.macro_f1 == pytest.approx(np.mean(f1))
    assert found.per_class_recall[3] is None
    assert found.confusion == ()


def test_weights_and_adjustments_follow_the_odds_of_each_label():
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], dtype=np.uint8)
    weights = class_term(tiny_recipe(imbalance="weighted_loss"), labels, 2)
    adjusted = class_term(tiny_recipe(imbalance="logit_adjustment"), labels, 2)
    assert weights is not None
    assert adjusted is not None
    assert weights.tolist() == pytest.approx([1 / 3, 3.0])
    assert adjusted.tolist() == pytest.approx([np.log(3), -np.log(3)])


def test_a_trial_learns_and_resumes_to_the_bit(cached, tmp_path):
    whole = tiny_trial(cached, tmp_path / "whole", MIXUP, imbalance="weighted_loss")
    result = train_trial(whole, "cpu", silent)
    assert result.scores is not None
    assert result.scores.auroc is not None
    assert len(result.scores.per_label_auroc) == 4
    assert result.fit is not None
    assert result.fit.accuracy != result.scores.accuracy
    assert result.epochs[-1].validation_average_precision == result.scores.average_precision

    class Killed(BaseException):
        pass

    def die(report):
        if report.epoch == 2:
            raise Killed

    cut = tiny_trial(cached, tmp_path / "cut", MIXUP, imbalance="weighted_loss")
    with pytest.raises(Killed):
        train_trial(cut, "cpu", die)
    assert numbers(train_trial(cut, "cpu", silent)) == numbers(result)
    kept = read_predictions(whole.directory, "validation")
    assert kept is not None
    assert kept.labels.shape == kept.probabilities.shape == (15, 4)
    assert not np.allclose(kept.probabilities.sum(axis=1), 1), "each label has a probability of its own"


def test_the_packed_trainer_gives_the_same_numbers(cached, tmp_path):
    single = [tiny_trial(cached, tmp_path / "single", MIXUP, seed=seed) for seed in (0, 1)]
    packed = [tiny_trial(cached, tmp_path / "packed", MIXUP, seed=seed) for seed in (0, 1)]
    expected = [numbers(train_trial(spec, "cpu", silent)) for spec in single]
    ended: dict[str, Outcome] = {}
    pack = Pack("cpu", 2, 0, lambda spec, how: ended.__setitem__(spec.key, how), silent, silent)
    for spec in packed:
        spec.directory.mkdir(parents=True, exist_ok=True)
        pack.add(spec)
    while pack.trials:
        pack.turn()
    pack.close()
    assert [numbers(ended[spec.key]) for spec in packed] == expected
