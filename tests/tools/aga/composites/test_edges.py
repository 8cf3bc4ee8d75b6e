"""The old background is taken out of a subject's outline, and nothing else is changed."""

import cv2
import numpy as np
import pytest

from tools.aga.composites.compose import composite, paste
from tools.aga.composites.edges import DEPTH, in_the_light_of, without_old_background
from tools.aga.composites.placement import Placement

SUBJECT, OLD, NEW = (200, 40, 40), (40, 200, 60), (60, 60, 220)
SIDE = 96


def scene(old: tuple[int, int, int] = OLD, blur: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A disc before `old` as a lens shows it, its mask, and how much of each pixel is the disc's."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (48, 48), 24, 1, -1)
    share = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), blur)
    picture = share[..., None] * np.array(SUBJECT) + (1 - share[..., None]) * np.array(old)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8), mask > 0, share


def test_the_outline_gets_the_subjects_own_colours() -> None:
    picture, mask, share = scene()
    cleaned = without_old_background(picture, mask, 1.0)
    rim = mask & (share < 0.95)
    before, after = (np.abs(each[rim].astype(int) - SUBJECT).mean() for each in (picture, cleaned))
    assert after < 0.5 * before


def test_on_a_new_background_less_of_the_old_one_is_seen() -> None:
    picture, mask, share = scene()
    new = np.full_like(picture, NEW)
    halo = []
    for pixels in (picture, without_old_background(picture, mask, 1.0)):
        made = paste(pixels, mask, new, Placement(), 1.0)
        halo.append(made[..., 1][share > 0.02].max())  # the old background is green
    assert halo[0] > SUBJECT[1] + 30
    assert halo[1] < SUBJECT[1] + 30


@pytest.mark.parametrize("edge", [0, 1, 4])
def test_only_the_outline_is_changed(edge: float) -> None:
    picture, mask, _ = scene()
    before = picture.copy()
    cleaned = without_old_background(picture, mask, edge)
    assert np.array_equal(picture, before)
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    untouched = ~mask | (depth - 0.5 >= edge + DEPTH)
    assert np.array_equal(cleaned[untouched], picture[untouched])


def test_what_has_no_outline_stays_as_it_is() -> None:
    picture, mask, _ = scene()
    for whole in (np.ones_like(mask), np.zeros_like(mask)):
        assert np.array_equal(without_old_background(picture, whole, 1.0), picture)


def test_a_subject_of_one_colour_with_its_background_stays_as_it_is() -> None:
    picture, mask, _ = scene(old=SUBJECT)
    assert np.abs(without_old_background(picture, mask, 2.0).astype(int) - picture).max() <= 1


def test_a_subject_is_darker_at_night_and_brighter_in_snow() -> None:
    picture, mask, _ = scene()
    night, snow = np.full_like(picture, 20), np.full_like(picture, 240)
    dark, bright = in_the_light_of(picture, mask, night), in_the_light_of(picture, mask, snow)
    assert dark[mask].mean() < 0.8 * picture[mask].mean()
    assert bright[mask].mean() > 1.1 * picture[mask].mean()
    same = np.full_like(picture, round(float(picture[mask].mean())))
    assert np.abs(in_the_light_of(picture, mask, same).astype(int) - picture).max() <= 1


def test_pasting_alone_gives_the_picture_of_a_composite() -> None:
    rng = np.random.default_rng(0)
    subject, background = rng.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    _, mask, _ = scene()
    for placement in (Placement(), Placement(True, 90), Placement(False, 17, 0.4, 5, -60), Placement(dx=500)):
        picture, _ = composite(subject, mask, background, placement, 1.0)
        assert np.array_equal(paste(subject, mask, background, placement, 1.0), picture)
