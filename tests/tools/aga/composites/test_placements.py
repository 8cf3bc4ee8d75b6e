import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.aga.composites.compose import composite
from tools.aga.composites.placement import Placement, draw_placement

SIDE = 96
PICTURE = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def boot() -> np.ndarray:
    """A shape that every flip and turn changes."""
    return rectangle(20, 76, 30, 44) | rectangle(60, 76, 30, 66)


Place = Literal["keep", "random"]


def corners_of(mask: np.ndarray, placement: Placement) -> np.ndarray:
    """Where the corners of the mask's pixels go, (N, 2) as (x, y): written out, to compare with."""
    rows, columns = np.nonzero(mask)
    points = np.concatenate([np.stack([columns + i, rows + j], 1) for i in (0, 1) for j in (0, 1)]).astype(
        float
    )
    x, y = (points - (points.min(axis=0) + points.max(axis=0)) / 2).T
    x = -x if placement.flip else x
    turn = math.radians(placement.rotation)
    turned = np.stack([x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)], 1)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return placement.scale * turned + middle + (placement.dx, placement.dy)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """One to three rectangles somewhere in a frame of any proportions."""
    height, width = draw(st.integers(4, 60)), draw(st.integers(4, 60))
    mask = np.zeros((height, width), dtype=bool)
    for _ in range(draw(st.integers(1, 3))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : draw(st.integers(top + 1, height)), left : draw(st.integers(left + 1, width))] = True
    return mask


class TestDrawnPlacements:
    @settings(max_examples=150, deadline=None)
    @given(
        mask=masks(),
        seed=st.integers(0, 2**32),
        flip=st.floats(0, 1),
        rotation=st.sampled_from([0, 10, 90, 180]),
        smallest=st.sampled_from([0.2, 0.7, 1.0]),
        largest=st.sampled_from([1.0, 1.5, 2.0]),
        place=st.sampled_from(["keep", "random"]),
    )
    def test_the_subject_is_whole_wherever_it_fits(
        self,
        mask: np.ndarray,
        seed: int,
        flip: float,
        rotation: float,
        smallest: float,
        largest: float,
        place: Place,
    ):
        rng = np.random.default_rng(seed)
        placement = draw_placement(rng, mask, flip, rotation, smallest, largest, place)
        assert abs(placement.rotation) <= rotation
        assert smallest <= placement.scale <= largest
        moved = corners_of(mask, placement)
        frame = np.array(mask.shape[::-1])
        for axis in (0, 1):
            low, high = moved[:, axis].min(), moved[:, axis].max()
            if high - low <= frame[axis] + 1e-9:
                assert low >= -1e-6
                assert high <= frame[axis] + 1e-6
            else:
                assert placement.scale == smallest
                assert (low + high) / 2 == pytest.approx(frame[axis] / 2)

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 2**32), place=st.sampled_from(["keep", "random"]))
    def test_none_of_its_area_is_lost(self, seed: int, place: Place):
        rng = np.random.default_rng(seed)
        placement = draw_placement(rng, boot(), 0.5, 180, 0.5, 1.5, place)
        _, placed = composite(PICTURE, boot(), PICTURE, placement, edge=1)
        # at half size a pixel of the outline is a tenth of the boot's width
        assert placed.sum() == pytest.approx(placement.scale**2 * boot().sum(), rel=0.1)

    def test_nothing_is_done_where_nothing_may_vary(self):
        placement = draw_placement(np.random.default_rng(0), rectangle(3, 20, 0, 9), 0, 0, 1, 1, "keep")
        assert placement == Placement()

    def test_a_subject_with_room_around_it_keeps_its_centre(self):
        rng = np.random.default_rng(0)
        drawn = [
            draw_placement(rng, rectangle(40, 60, 40, 50), 0.5, 180, 0.5, 1.5, "keep") for _ in range(50)
        ]
        assert {(placement.dx, placement.dy) for placement in drawn} == {(0.0, 0.0)}

    def test_a_random_place_is_anywhere_in_the_frame(self):
        rng, mask = np.random.default_rng(0), rectangle(40, 50, 40, 50)
        drawn = [draw_placement(rng, mask, 0, 0, 1, 1, "random") for _ in range(2000)]
        assert {placement.dx for placement in drawn} == set(range(-40, SIDE - 50 + 1))
        assert {placement.dy for placement in drawn} == set(range(-40, SIDE - 50 + 1))

    def test_flips_are_as_frequent_as_asked(self):
        rng = np.random.default_rng(0)
        flips = [draw_placement(rng, boot(), 0.3, 0, 1, 1, "keep").flip for _ in range(2000)]
        assert np.mean(flips) == pytest.approx(0.3, abs=0.04)

    def test_the_same_generator_draws_the_same_placement(self):
        one, other = (
            draw_placement(np.random.default_rng(5), boot(), 0.5, 40, 0.5, 1.5, "random") for _ in range(2)
        )
        assert one == other
        subject = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        first, second = (composite(subject, boot(), PICTURE, placement, 1)[0] for placement in (one, other))
        assert first.any()
        assert np.array_equal(first, second)

    def test_what_is_drawn_next_does_not_depend_on_the_image(self):
        following = set()
        for mask in (boot(), np.zeros((9, 9), dtype=bool), np.ones((40, 20), dtype=bool)):
            rng = np.random.default_rng(1)
            draw_placement(rng, mask, 0.5, 0 if mask.all() else 30, 0.5, 1.5, "keep")
            following.add(rng.random())
        assert len(following) == 1

    def test_an_empty_mask_is_not_moved(self):
        placement = draw_placement(
            np.random.default_rng(0), np.zeros((9, 9), dtype=bool), 0, 0, 1, 1, "random"
        )
        assert placement == Placement()
