"""The median size of images as they are stored."""

import io
from dataclasses import dataclass

from PIL import Image

from tools.datasets.original_size import SAMPLE, median_size


@dataclass
class Memory:
    """Images by name; those named 'broken' are none."""

    sizes: dict[str, tuple[int, int]]
    orientation: int = 1
    reads: int = 0

    def read(self, file: str) -> bytes:
        self.reads += 1
        if file.startswith("broken"):
            return b"no image"
        encoded = io.BytesIO()
        exif = Image.Exif()
        exif[274] = self.orientation
        Image.new("RGB", self.sizes[file]).save(encoded, format="JPEG", exif=exif)
        return encoded.getvalue()

    def where(self, file: str) -> str:
        return file


def test_it_is_the_median_of_width_and_height() -> None:
    source = Memory({"a": (100, 50), "b": (300, 70), "c": (120, 900)})
    assert median_size(source, list(source.sizes)) == (120, 70)


def test_a_photograph_that_lies_on_its_side_counts_upright() -> None:
    assert median_size(Memory({"a": (100, 50)}, orientation=6), ["a"]) == (50, 100)


def test_broken_files_are_left_out_and_a_set_of_them_has_no_size() -> None:
    assert median_size(Memory({"a": (30, 40)}), ["broken", "a"]) == (30, 40)
    assert median_size(Memory({}), ["broken"]) is None
    assert median_size(Memory({}), []) is None


def test_only_a_sample_is_read_spread_over_all() -> None:
    names = [str(number) for number in range(10 * SAMPLE + 7)]
    source = Memory({name: (10, 10) if int(name) < 2 * SAMPLE else (90, 90) for name in names})
    assert median_size(source, names) == (90, 90)
    assert source.reads <= SAMPLE
