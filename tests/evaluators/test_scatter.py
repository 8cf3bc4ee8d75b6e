"""The noise of seeds and the noise of images are told apart."""

from dataclasses import replace

import numpy as np
import pytest

from evaluators.contenders import Contender, ImageScores
from evaluators.scatter import image_scatter, scatter_of

IMAGES, SEEDS, OF_IMAGE, OF_RUN = 400, 4, 0.5, 0.7


def contender(name: str, draw: np.random.Generator, folds: bool = False, losses: bool = True) -> Contender:
    """Whose losses by image have a part of its own that all seeds share (where they see the same images)."""
    lasting = OF_IMAGE * draw.normal(size=(SEEDS if folds else 1, IMAGES))
    found = 0.6 + lasting + OF_RUN * draw.normal(size=(SEEDS, IMAGES))
    images = {
        seed: ImageScores(
            np.arange(IMAGES) + (IMAGES * seed if folds else 0), row if losses else None, row < 0.6
        )
        for seed, row in enumerate(found)
    }
    return Contender(
        name,
        "policy",
        {seed: float(each.correct.mean()) for seed, each in images.items()},
        dict(enumerate(map(float, found.mean(1)))),
        images,
    )


def several(folds: bool = False, losses: bool = True) -> list[Contender]:
    draw = np.random.default_rng(0)
    return [contender(str(number), draw, folds, losses) for number in range(12)]


def test_seeds_that_see_the_same_images_share_their_noise() -> None:
    anchor, *others = several()
    found = image_scatter(anchor, others)
    assert found is not None
    assert found.counted
    assert found.shared[1, 1] == pytest.approx(2 * OF_IMAGE**2 / IMAGES, rel=0.15)
    assert found.alone[1, 1] == pytest.approx(2 * (OF_IMAGE**2 + OF_RUN**2) / IMAGES, rel=0.15)
    assert found.shared[0, 1] > 0  # a lower loss is a higher gain, as a right answer is


def test_seeds_with_images_of_their_own_share_nothing() -> None:
    anchor, *others = several(folds=True)
    found = image_scatter(anchor, others)
    assert found is not None
    assert abs(found.shared[1, 1]) < 0.1 * found.alone[1, 1]


def test_without_losses_by_image_right_and_wrong_remain() -> None:
    anchor, *others = several(losses=False)
    found = image_scatter(anchor, others)
    assert found is not None
    assert found.shared.shape == (1, 1)


def test_the_order_of_images_does_not_matter() -> None:
    anchor, *others = several()
    turned = {
        seed: ImageScores(each.ids[::-1], each.losses[::-1], each.correct[::-1])  # type: ignore[index]
        for seed, each in others[0].images.items()
    }
    mixed = [replace(others[0], images=turned), *others[1:]]
    one, other = image_scatter(anchor, others), image_scatter(anchor, mixed)
    assert one is not None
    assert other is not None
    assert np.allclose(one.shared, other.shared)


def test_images_that_belong_together_count_as_one() -> None:
    """Ten images of a patient that differ alike are one chance, not ten."""
    draw = np.random.default_rng(0)
    patients = np.repeat(np.arange(IMAGES // 10), 10)

    def grouped(name: str) -> Contender:
        lasting = OF_IMAGE * np.repeat(draw.normal(size=IMAGES // 10), 10)
        found = lasting + OF_RUN * draw.normal(size=(SEEDS, IMAGES))
        images = {seed: ImageScores(patients, row, row < 0) for seed, row in enumerate(found)}
        return Contender(name, "policy", dict.fromkeys(images, 0.5), {}, images)

    anchor, *others = (grouped(str(number)) for number in range(12))
    found = image_scatter(anchor, others)
    assert found is not None
    assert found.shared[1, 1] == pytest.approx(2 * OF_IMAGE**2 / (IMAGES // 10), rel=0.3)


def test_trials_of_a_seed_on_different_images_are_refused() -> None:
    anchor, other, *_ = several()
    odd = ImageScores(np.arange(IMAGES) + 1, None, other.images[2].correct)
    with pytest.raises(ValueError, match="different images under seed 2"):
        image_scatter(anchor, [replace(other, images={**other.images, 2: odd})])


def test_without_images_there_is_nothing_to_say() -> None:
    anchor, other, *_ = several()
    assert image_scatter(anchor, [replace(other, images={})]) is None


def test_of_two_candidates_what_is_left_is_the_paired_variance() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.normal(size=(2, 5, 2))
    found = scatter_of([dict(enumerate(one)), dict(enumerate(other))])
    assert found is not None
    assert found.freedom == 4
    assert np.allclose(found.left / found.freedom, np.cov((one - other).T) / 2)


def test_missing_trials_leave_the_covariance_unbiased() -> None:
    draw, true = np.random.default_rng(0), np.array([[1.0, 0.6], [0.6, 2.0]])
    found = []
    for _ in range(300):
        rows = draw.multivariate_normal([0, 0], true, (6, 4)) + draw.normal(size=(1, 4, 1))
        kept = [{seed: row for seed, row in enumerate(each) if draw.random() > 0.25} for each in rows]
        scatter = scatter_of([each for each in kept if each])
        assert scatter is not None
        found.append(scatter.left / scatter.freedom)
    assert np.allclose(np.mean(found, 0), true, atol=0.12)
