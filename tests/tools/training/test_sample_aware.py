"""Sample-aware RandAugment: the model's scores decide how strong the images of every second batch are changed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools.policy.pictures import picture
from tests.tools.training.trials import numbers, silent, tiny_trial
from tools.datasets.cache.read import CachedDataset
from tools.policy.built_policy import build
from tools.policy.named import parse_with_defaults
from tools.policy.sample_aware import sample_scores
from tools.policy.transforms import as_tensor
from tools.training.batches import epoch_batches, training_images
from tools.training.loop import train_trial
from tools.training.types import EpochReport

POLICY = "horizontal_flip(p=0.5) > sra(p=1, num_ops=2) > erasing(p=0.5, area=0.2)"


def test_a_score_is_one_where_the_model_is_right_and_sure_and_zero_where_it_is_wrong():
    logits = torch.tensor([[9.0, -9.0, -9.0], [-9.0, 9.0, -9.0], [0.0, 0.0, 0.0]])
    right, wrong, undecided = sample_scores(logits, torch.tensor([0, 0, 0])).tolist()
    assert right == pytest.approx(1)
    assert wrong == pytest.approx(0, abs=1e-3)
    # three equal probabilities: the cosine is 1 / √3, the power 2 / ln 3
    assert undecided == pytest.approx((3**-0.5) ** (2 / np.log(3)))


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_an_undecided_model_gives_the_same_score_for_any_number_of_classes(classes: int):
    score = float(sample_scores(torch.zeros(1, classes), torch.zeros(1, dtype=torch.int64))[0])
    assert score == pytest.approx(np.exp(-1))


def test_an_image_with_a_low_score_is_changed_little():
    built = build(parse_with_defaults("sra"), 48, 3)
    image = as_tensor(picture(48))

    def change(score: float) -> float:
        torch.manual_seed(0)
        views = [built.augment_by_score(image, score) for _ in range(150)]
        return float(np.mean([(view.float() - image.float()).abs().mean() for view in views]))

    # Equalising and stretching contrast have no magnitude, and are drawn twice in fourteen times.
    assert change(0.0) < 0.6 * change(0.5) < 0.6 * change(1.0)


def test_half_of_the_batches_wait_for_their_scores(tinted: CachedDataset, tmp_path: Path):
    spec = tiny_trial(tinted, tmp_path, "sra(p=1, num_ops=2)")
    images = training_images(spec)
    left = []
    for batch in epoch_batches(spec, images):
        pixels, _ = images.__getitems__(batch)
        left.append(np.array_equal(pixels.permute(0, 2, 3, 1).numpy(), images.view.images[batch.indices]))
    assert left == [False, True, False, True]


@pytest.mark.parametrize("loader_workers", [1])
def test_it_is_equal_to_the_bit_when_repeated_resumed_or_given_loader_processes(
    tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loader_workers: int
):
    from tools.training import checkpoint

    monkeypatch.setattr(checkpoint, "LARGEST_SHARE", float("inf"))
    first = train_trial(tiny_trial(tinted, tmp_path / "a", POLICY), "cpu", silent)
    assert first.status == "finished", first.reason
    other = tiny_trial(tinted, tmp_path / "b", POLICY, loader_workers=loader_workers)

    class Killed(BaseException):
        pass

    def kill(report: EpochReport) -> None:
        if report.epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train_trial(other, "cpu", kill)
    assert numbers(train_trial(other, "cpu", silent)) == numbers(first)


def test_what_the_model_says_matters(tinted: CachedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tools.training import loop

    asked = train_trial(tiny_trial(tinted, tmp_path / "a", POLICY), "cpu", silent)
    monkeypatch.setattr(loop, "sample_scores", lambda logits, labels: torch.ones(len(labels)))
    ignored = train_trial(tiny_trial(tinted, tmp_path / "b", POLICY), "cpu", silent)
    assert asked.epochs[-1].train_loss != ignored.epochs[-1].train_loss


def test_it_is_trained_by_itself_and_not_in_a_pack(tinted: CachedDataset, tmp_path: Path):
    assert "the score of each image" in tiny_trial(tinted, tmp_path, POLICY).alone_because
    changing = tiny_trial(tinted, tmp_path, "invert(p=1) | from epoch 2: no augmentation")
    assert "changes in the middle" in changing.alone_because
    assert not tiny_trial(tinted, tmp_path, "invert(p=1)").alone_because
