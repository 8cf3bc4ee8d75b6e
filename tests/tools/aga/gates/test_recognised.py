"""The gate that asks a network trained on ImageNet whether a cut-out shows something of the data set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.mask_quality import truth_of
from tools.aga.gates.recognised import RecognisedGate, cut_out, known_as


@pytest.fixture(scope="module")
def gate() -> RecognisedGate:
    return RecognisedGate(["ants", "bees", "gadgets"], ["", "", ""], 0.1)


def test_names_are_found_in_the_singular_and_the_plural_and_only_whole() -> None:
    assert len(known_as(["ants"])) == len(known_as(["bee"])) == 1
    assert known_as(["ants", "bees"]) == sorted(known_as(["ant"]) + known_as(["bee"]))
    assert known_as(["box turtles"]) != []
    assert known_as(["turtle"]) == known_as(["gadget"]) == []


def test_a_class_that_imagenet_does_not_have_is_not_checked(gate: RecognisedGate) -> None:
    result = gate.judge(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), bool), 2)
    assert result.passed
    assert result.value is None


def test_what_is_shown_is_the_subject_alone_on_grey() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[5:10, 10:30] = True
    shown = cut_out(pixels, mask)
    assert shown.shape == (23, 23, 3)
    assert (shown == 0).all(axis=2).sum() == mask.sum()
    assert (shown[0] == 128).all()


def test_an_insect_is_recognised_and_what_is_around_it_is_not(
    gate: RecognisedGate, shared_data: Path
) -> None:
    file = "train/ants/1095476100_3906d8afde.jpg"
    pixels, mask = np.asarray(Image.open(shared_data / "antsbees2" / file).convert("RGB")), truth_of(file)
    right, wrong = gate.judge(pixels, mask, 0), gate.judge(pixels, ~mask & (pixels.max(axis=2) >= 0), 0)
    assert right.passed
    assert right.value is not None and wrong.value is not None  # noqa: PT018
    assert right.value > 0.5 > wrong.value
    assert gate.judge(pixels, mask, 1).value == right.value, "it knows no label"
    corner = np.zeros_like(mask)
    corner[-60:, -60:] = True
    refused = gate.judge(pixels, corner & ~mask, 0)
    assert not refused.passed
    assert "aga.gates.recognised" in refused.reason
