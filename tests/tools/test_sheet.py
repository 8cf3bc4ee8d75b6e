from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tools.aga.composites.compose import composite
from tools.aga.composites.placement import draw_placement
from tools.errors import ConfigurationError
from tools.sheet import COLUMNS, TILE, Example, contact_sheet


class TestContactSheet:
    def test_it_shows_how_real_photos_became_composites(self, shared_data: Path, tmp_path: Path):
        files = sorted((shared_data / "antsbees2" / "train").rglob("*.jpg"))[:3]
        photos = [np.asarray(Image.open(file).convert("RGB")) for file in files]
        rng, examples = np.random.default_rng(0), []
        for photo, other in zip(photos, photos[1:] + photos[:1], strict=True):
            height, width = photo.shape[:2]
            levels = np.zeros((height, width), dtype=np.uint8)
            cv2.ellipse(levels, (width // 2, height // 2), (width // 4, height // 4), 0, 0, 360, 1, -1)
            mask = levels.astype(bool)
            placement = draw_placement(rng, mask, 0.5, 30, 0.7, 1.2, "random")
            picture, _ = composite(photo, mask, other, placement, edge=1)
            examples.append(
                Example(photo, mask, other, picture, "a meadow at dusk, after rain " * 20, "ants")
            )
        contact_sheet(examples, tmp_path / "sheet.png", "3 of 552 synthetic images")
        sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
        assert sheet.shape[1] > len(COLUMNS) * TILE
        assert sheet.shape[0] > len(examples) * TILE

    def test_without_examples_it_says_so(self, tmp_path: Path):
        with pytest.raises(ConfigurationError, match="no synthetic image"):
            contact_sheet([], tmp_path / "sheet.png", "nothing")
