"""What splits.csv says of images that have changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tools.datasets.splits.split_file import what_changed, write_splits
from tools.datasets.types import Card, Record

CARD = Card("two", "Two", "unknown", "", ("a", "b"))
RECORDS = [Record(f"a/{number}.png", 0, "train", f"g{number}") for number in range(9)]


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (RECORDS[1:], "1 image is gone, or cannot be read any more: a/0.png"),
        (
            [*RECORDS, Record("b/n\udcff.png", 1, "test", "g")],
            "1 image is new, or can be read now: b/n\\xff.png",
        ),
        (
            RECORDS[7:],
            "7 images are gone, or cannot be read any more: a/0.png, a/1.png, a/2.png, a/3.png, a/4.png, …",
        ),
        (
            [replace(RECORDS[0], split="test"), *RECORDS[1:]],
            "the label, split or group of 1 image is another one: a/0.png",
        ),
        (RECORDS, "the files have the same names, and some of them other content"),
    ],
)
def test_images_that_changed_are_named(now: Sequence[Record], told: str, tmp_path: Path):
    write_splits(tmp_path / "before.csv", RECORDS, CARD)
    write_splits(tmp_path / "now.csv", now, CARD)
    assert what_changed(tmp_path / "before.csv", tmp_path / "now.csv") == told
