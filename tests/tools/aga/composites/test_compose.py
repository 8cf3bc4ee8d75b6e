import itertools
import math

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as oracle

from tools.aga.composites.compose import composite, fit_background
from tools.aga.composites.placement import Placement

SIDE = 96
SUBJECT, OLD, NEW = (200, 60, 40), (0, 255, 0), (0, 0, 255)


def noise(seed: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def flat(colour: tuple[int, int, int], side: int = SIDE) -> np.ndarray:
    return np.full((side, side, 3), colour, dtype=np.uint8)


def rectangle(top: int, bottom: int, left: int, right: int, side: int = SIDE) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def boot() -> np.ndarray:
    """A shape that every flip and turn changes; its box is centred in the image."""
    return rectangle(20, 76, 30, 44) | rectangle(60, 76, 30, 66)


def ellipse(angle: float = 20, axes: tuple[int, int] = (34, 18)) -> np.ndarray:
    levels = np.zeros((SIDE, SIDE), dtype=np.uint8)
    cv2.ellipse(levels, (SIDE // 2, SIDE // 2), axes, angle, 0, 360, 1, -1)
    return levels.astype(bool)


def box(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def depth_of(mask: np.ndarray) -> np.ndarray:
    """From each pixel's centre to the nearest outside."""
    return np.asarray(distance_transform_edt(mask))


def opacity(mask: np.ndarray, placement: Placement, edge: float) -> np.ndarray:
    """How much of the subject is seen, 0..1: white on black."""
    picture, _ = composite(flat((255, 255, 255)), mask, flat((0, 0, 0)), placement, edge)
    return picture[..., 0] / 255


class TestExactPixels:
    def test_a_hard_edge_swaps_nothing_but_the_background(self):
        for mask in (boot(), ellipse(), rectangle(0, 96, 0, 50)):
            picture, placed = composite(noise(0), mask, noise(1), Placement(), edge=0)
            assert np.array_equal(picture, np.where(mask[..., None], noise(0), noise(1)))
            assert np.array_equal(placed, mask)

    @pytest.mark.parametrize("edge", [1, 6])
    def test_pixels_deeper_than_the_soft_edge_are_the_source_s_to_the_bit(self, edge: float):
        mask = ellipse()
        picture, _ = composite(noise(0), mask, noise(1), Placement(), edge)
        depth = depth_of(mask) - 0.5
        inside = depth >= 1.02 * edge
        assert inside.sum() > 300
        assert np.array_equal(picture[inside], noise(0)[inside])

    def test_pixels_outside_the_mask_are_the_background_s_to_the_bit(self):
        for edge in (0, 1, 6):
            picture, _ = composite(noise(0), ellipse(), noise(1), Placement(), edge)
            assert np.array_equal(picture[~ellipse()], noise(1)[~ellipse()])

    @pytest.mark.parametrize("height", [30, 31])
    def test_flips_and_right_angles_only_move_pixels(self, height: int):
        mask = rectangle(40, 40 + height, 30, 50)
        cut = noise(0)[box(mask)]
        for flip, rotation in itertools.product((False, True), (0, 90, 180, 270, -90, 450)):
            picture, placed = composite(noise(0), mask, noise(1), Placement(flip, rotation), edge=0)
            expected = np.rot90(cut[:, ::-1] if flip else cut, rotation // 90)
            assert np.array_equal(picture[box(placed)], expected), (flip, rotation)
            assert placed.sum() == mask.sum()

    def test_whole_pixels_of_a_move_are_exact(self):
        picture, placed = composite(noise(0), boot(), noise(1), Placement(dx=7, dy=-11), edge=0)
        assert np.array_equal(placed, np.roll(boot(), (-11, 7), axis=(0, 1)))
        assert np.array_equal(picture[placed], noise(0)[boot()])

    def test_a_full_mask_left_alone_is_the_source(self):
        full = np.ones((SIDE, SIDE), dtype=bool)
        for placement, expected in (
            (Placement(), noise(0)),
            (Placement(flip=True), noise(0)[:, ::-1]),
            (Placement(rotation=90), np.rot90(noise(0))),
        ):
            assert np.array_equal(composite(noise(0), full, noise(1), placement, edge=3)[0], expected)

    def test_what_it_is_given_stays_as_it_was(self):
        subject, mask, background = noise(0), boot(), noise(1)
        composite(subject, mask, background, Placement(rotation=20, scale=0.4), edge=2)
        assert np.array_equal(subject, noise(0))
        assert np.array_equal(mask, boot())
        assert np.array_equal(background, noise(1))


class TestSoftEdge:
    def test_opacity_rises_evenly_over_its_width_from_the_outline_inwards(self):
        row = opacity(rectangle(20, 70, 20, 70), Placement(), edge=4)[45]
        assert row[18:26] == pytest.approx([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1], abs=0.005)

    def test_opacity_is_the_depth_below_the_outline_in_widths(self):
        mask = ellipse() ^ ellipse(-50, (9, 6))
        mask[30:34, 20:40] = True
        for edge in (0.3, 1, 1.5, 1.6, 5):
            expected = np.clip((depth_of(mask) - 0.5) / edge, 0, 1)
            assert np.abs(opacity(mask, Placement(), edge) - expected).max() <= 0.03, edge

    def test_its_width_is_one_of_the_result_whatever_the_scale(self):
        for scale in (0.3, 0.5, 0.8, 1.25, 2):
            row = opacity(rectangle(28, 68, 28, 68), Placement(scale=scale), edge=3)[SIDE // 2, : SIDE // 2]
            # An even ramp of this width loses half of it.
            assert row.sum() == pytest.approx(20 * scale - 1.5, abs=0.3), scale
            assert np.count_nonzero((row > 0.1) & (row < 0.9)) in (2, 3), scale

    @pytest.mark.parametrize(
        ("placement", "edge"),
        [(Placement(rotation=17), 0), (Placement(True, -64, 1.3), 1), (Placement(scale=0.37), 3)],
    )
    def test_the_old_background_leaves_no_halo(self, placement: Placement, edge: float):
        source = np.where(boot()[..., None], flat(SUBJECT), flat(OLD))
        picture, placed = composite(source, boot(), flat(NEW), placement, edge)
        # of the green of the old background nothing is added to the subject's own
        assert picture[..., 1].max() <= SUBJECT[1] + 1
        share = picture[..., 0] / SUBJECT[0]
        mixed = share[..., None] * SUBJECT + (1 - share[..., None]) * NEW
        assert np.abs(picture - mixed).max() <= 2
        assert placed.sum() > 50

    def test_a_side_cut_off_by_the_frame_has_none_while_it_stays_there(self):
        mask = rectangle(30, 60, 0, 40)
        assert (opacity(mask, Placement(), edge=4)[45, :36] == 1).all()
        assert (opacity(np.ones_like(mask), Placement(scale=1.5), edge=4) == 1).all()

    def test_a_side_cut_off_by_the_frame_has_one_where_it_is_moved_inside(self):
        row = opacity(rectangle(30, 60, 0, 40), Placement(dx=10), edge=4)[45]
        assert row[9:15] == pytest.approx([0, 0.125, 0.375, 0.625, 0.875, 1], abs=0.005)


class TestGeometry:
    @pytest.mark.parametrize("scale", [0.5, 1, 1.2])
    @pytest.mark.parametrize(("rotation", "flip"), [(3, True), (90, False), (137, True), (-30, False)])
    def test_it_is_what_torchvision_makes_of_the_same_affine(self, rotation: float, flip: bool, scale: float):
        placement = Placement(flip, rotation, scale, dx=3, dy=-4)
        picture, placed = composite(flat(SUBJECT), boot(), flat(NEW), placement, edge=0)
        image = torch.from_numpy(boot()[None].astype(np.float32))
        moved = oracle.affine(
            oracle.horizontal_flip(image) if flip else image,
            angle=-rotation,  # clockwise there
            translate=[3, -4],
            scale=scale,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
            center=[SIDE / 2, SIDE / 2],
        )
        expected = moved[0].numpy() >= 0.5
        seen = picture[..., 0] >= SUBJECT[0] / 2
        for mask in (placed, seen):
            assert (mask & expected).sum() / (mask | expected).sum() >= (0.98 if scale >= 1 else 0.96)

    def test_turns_are_counter_clockwise_about_the_middle_of_the_subject(self):
        pointing_right = ellipse(0) | rectangle(44, 52, 48, 92)
        _, placed = composite(noise(0), pointing_right, noise(1), Placement(rotation=90), edge=0)
        top = box(placed)[0].start
        assert placed[top + 5].sum() == 8
        centre = np.mean([[side.start, side.stop] for side in box(placed)], axis=1)
        before = np.mean([[side.start, side.stop] for side in box(pointing_right)], axis=1)
        assert centre == pytest.approx(before, abs=0.5)

    def test_texture_turns_with_the_outline(self):
        stripes = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = 255
        picture, placed = composite(stripes, ellipse(), flat((0, 0, 0)), Placement(rotation=33), edge=0)
        turned = Image.fromarray(stripes).rotate(
            33,
            Image.Resampling.BILINEAR,
            center=tuple(np.mean([[s.start, s.stop] for s in box(ellipse())[::-1]], 1)),
        )
        inside = depth_of(placed) > 2
        assert np.abs(picture[inside].astype(float) - np.asarray(turned)[inside]).mean() < 4

    def test_a_small_subject_is_averaged_and_not_skipped_through(self):
        fine = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
        fine[:, ::2] = 200
        picture, placed = composite(fine, rectangle(8, 88, 8, 88), flat(NEW), Placement(scale=0.25), edge=0)
        inside = depth_of(placed) > 1
        assert picture[inside][:, 0] == pytest.approx(100, abs=2)


class TestDegenerate:
    @pytest.mark.parametrize("placement", [Placement(), Placement(True, 30, 0.3)])
    def test_an_empty_mask_leaves_the_background_alone(self, placement: Placement):
        picture, placed = composite(noise(0), np.zeros((SIDE, SIDE), dtype=bool), noise(1), placement, edge=1)
        assert np.array_equal(picture, noise(1))
        assert not placed.any()

    @pytest.mark.parametrize("edge", [0, 2])
    def test_a_mask_read_by_pillow_is_any_mask(self, edge: float):
        """Its True is the byte 255."""
        read = np.asarray(Image.fromarray(boot()))
        assert read.dtype == bool
        expected = composite(noise(0), boot(), noise(1), Placement(rotation=10), edge)
        for one, other in zip(
            composite(noise(0), read, noise(1), Placement(rotation=10), edge), expected, strict=True
        ):
            assert np.array_equal(one, other)

    @pytest.mark.parametrize("rotation", [0, 10])
    def test_a_subject_moved_out_of_the_frame_leaves_the_background_alone(self, rotation: float):
        for move in ((500, 0), (-500, 0), (0, 500), (0, -500)):
            placement = Placement(False, rotation, 1, *move)
            picture, placed = composite(noise(0), boot(), noise(1), placement, edge=1)
            assert np.array_equal(picture, noise(1))
            assert not placed.any()

    @pytest.mark.parametrize("placement", [Placement(), Placement(True, 180), Placement(False, 40, 2)])
    def test_a_mask_of_one_pixel_is_placed(self, placement: Placement):
        for at in ((0, 0), (95, 95), (50, 3)):
            mask = np.zeros((SIDE, SIDE), dtype=bool)
            mask[at] = True
            assert composite(noise(0), mask, noise(1), placement, edge=1)[1][at]

    def test_a_full_mask_turned_shows_the_background_in_its_corners_only(self):
        full = np.ones((SIDE, SIDE), dtype=bool)
        picture, placed = composite(flat(SUBJECT), full, flat(NEW), Placement(rotation=45), edge=0)
        assert tuple(picture[0, 0]) == NEW
        assert tuple(picture[SIDE // 2, SIDE // 2]) == SUBJECT
        assert placed.mean() == pytest.approx(2 * math.sqrt(2) - 2, abs=0.01)


class TestBackground:
    def test_it_may_be_of_any_size(self):
        for shape in ((8, 8), (300, 120), (SIDE, SIDE), (1, 700)):
            assert fit_background(noise(0, *shape), 60, 90).shape == (60, 90, 3)

    def test_it_keeps_its_proportions_and_its_middle(self):
        wide = np.concatenate([flat(OLD), flat(SUBJECT), flat(OLD)], axis=1)
        assert np.array_equal(fit_background(wide, 48, 48), flat(SUBJECT, 48))

    def test_it_is_shrunk_by_area(self):
        board = (np.indices((SIDE, SIDE)).sum(axis=0) % 2 * 200).astype(np.uint8)
        assert (fit_background(np.dstack([board] * 3), 24, 24) == 100).all()
