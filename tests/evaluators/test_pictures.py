"""The pictures: written whole, and right in what they say besides."""

import numpy as np
import pytest
from PIL import Image

from evaluators import features
from evaluators.explanation import ClassGain, Measured
from evaluators.features import clusters_of
from evaluators.pictures.cam_grid import CamRow, draw_cam_grid
from evaluators.pictures.feature_map import draw_feature_map
from evaluators.pictures.learning_curves import draw_learning_curves
from evaluators.pictures.predictions import draw_class_gains
from evaluators.report.explained import measured_points
from tests.evaluators.small_classifier import SIDE, photos
from tools.training.types import EpochReport


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_grid_of_maps_takes_any_number_of_images(tmp_path, count: int):
    heat = np.linspace(0, 1, SIDE * SIDE).reshape(SIDE, SIDE)
    row = CamRow(photos(1)[0], "a class 名", (heat, np.zeros_like(heat)), ("a", "b" * 60), (0.9, 0.5))
    draw_cam_grid([row] * count, ("none", "winner"), tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 50


def test_a_gain_without_an_interval_does_not_look_certain(tmp_path):
    def blue(gain: Measured) -> int:
        """Pixels of the mark."""
        draw_class_gains(
            [ClassGain(label="a", images=9, reference=0.5, winner=0.4, gain=gain)], tmp_path / "gains.png"
        )
        with Image.open(tmp_path / "gains.png") as picture:
            return int((np.asarray(picture.convert("RGB")) == (31, 111, 235)).all(axis=2).sum())

    known, unknown = Measured(mean=-0.1, low=-0.1001, high=-0.0999), Measured(mean=-0.1)
    assert 0 < blue(unknown) < 0.6 * blue(known)
    assert measured_points(unknown) == "−10.0 (no interval)"
    assert measured_points(known) == "−10.0 [−10.0, −10.0]"


def test_learning_curves_of_seeds_that_ended_at_different_epochs(tmp_path):
    def epochs(count: int) -> list[EpochReport]:
        return [EpochReport(n, count, 1 / n, 1 / n, 0.5, 0.5, 0.1, 1.0) for n in range(1, count + 1)]

    draw_learning_curves({"none": [epochs(3)], "winner": [epochs(5), epochs(4)]}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


def test_the_map_of_features_says_how_dense_the_clusters_are(tmp_path, monkeypatch):
    monkeypatch.setattr(features, "find_spec", lambda name: None)
    rng = np.random.default_rng(0)
    labels = np.arange(24) % 2
    made = rng.normal(0, 1, (24, 6)) + 8 * labels[:, None]
    synthetic = np.arange(24) >= 12
    found = draw_feature_map("winner", made, labels, synthetic, ["a", "b"], tmp_path / "map.png")
    assert (found.method, found.real, found.synthetic) == ("t-SNE", 12, 12)
    assert found.spread_real == pytest.approx(clusters_of(made[:12], labels[:12]).spread)
    assert found.apart_both == pytest.approx(clusters_of(made, labels).apart)
    real = draw_feature_map(
        "winner", made[:12], labels[:12], synthetic[:12], ["a", "b"], tmp_path / "real.png"
    )
    assert (real.synthetic, real.spread_both) == (0, None)
