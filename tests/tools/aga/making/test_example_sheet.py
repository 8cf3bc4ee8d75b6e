"""The contact sheet of synthetic images: what each was made from, and its caption."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tools.aga.making.example_sheet import Example, contact_sheet
from tools.errors import ConfigurationError

RED, GREEN, BLUE = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def flat(colour: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def example(note: str = "ants") -> Example:
    """Every picture of one colour; the mask is the left half of a photo twice as wide as high."""
    mask = np.zeros((100, 200), dtype=bool)
    mask[:, :100] = True
    return Example(flat(RED, 100, 200), mask, flat(GREEN, 64, 64), flat(BLUE, 300, 200), "a meadow", note)


def drawn(examples: list[Example], path: Path) -> np.ndarray:
    contact_sheet(examples, path / "sheet.png", "3 of 552 synthetic images")
    with Image.open(path / "sheet.png") as sheet:
        return np.asarray(sheet.convert("RGB"))


def area(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == colour).all(axis=-1).sum())


def test_it_shows_the_real_image_the_subject_the_background_and_the_composite(tmp_path: Path):
    sheet = drawn([example()], tmp_path)

    photo, subject = 224 * 112, 112 * 112
    assert (
        photo + 0.9 * subject < area(sheet, RED) < photo + subject
    )  # the outline covers some of the subject
    assert 0.8 * subject < area(sheet, (51, 0, 0)) <= subject  # what the mask omits is dimmed
    assert area(sheet, GREEN) == 224 * 224
    assert area(sheet, BLUE) == 149 * 224


def test_it_has_a_row_for_each_example(tmp_path: Path):
    one, three = drawn([example()], tmp_path), drawn([example(), example(""), example()], tmp_path)

    assert three.shape[1] == one.shape[1]
    assert area(three, GREEN) == 3 * area(one, GREEN)


def test_without_examples_it_refuses(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"sheet\.png"):
        contact_sheet([], tmp_path / "sheet.png", "nothing")
