"""Made data sets in the published layouts, for smoke runs: a few small images of each class, and the tables they need.

Each image is a bright shape on a darker, uneven ground; the shape's colour and form follow the class, so that there is
something to learn and something to cut out. The same name gives the same images.
"""

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

_SIDE = 48
_TRAIN, _HELD_OUT = 8, 3
"""Images of each class in a training split and in any other."""
_CUB_CLASSES = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross")
_IWILDCAM_CLASSES = (0, 24, 32, 36, 48, 49, 52)


def make_replica(name: str, root: Path) -> Path:
    """The folder of a made data set, made now unless it is there.

    Args:
        name: of the data set.
        root: holds a folder for each.

    Raises:
        KeyError: there is no replica of that data set.
        OSError: as the system raises it.
    """
    place, unfinished = root / name, root / f".{name}"
    if place.is_dir():
        return place
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    REPLICAS[name](unfinished)
    unfinished.rename(place)
    return place


def _draw(file: Path, label: int, number: int) -> None:
    """One image; `number` makes it unlike all others."""
    from PIL import Image, ImageDraw

    random = np.random.default_rng(number)
    ground = random.integers(20, 110, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    colour = tuple(int(value) for value in np.random.default_rng(1000 + label).integers(150, 256, 3))
    x, y = (int(value) for value in random.integers(4, 16, 2))
    box = (x, y, x + 24, y + 14 + 2 * (label % 6))
    drawing = ImageDraw.Draw(image)
    (drawing.ellipse if label % 2 else drawing.rectangle)(box, fill=colour)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)


def _fill(root: Path, folders: Sequence[str], count: int, start: int, suffix: str = ".jpg") -> None:
    """`count` images in each folder; the class is the folder's place in the list."""
    for label, folder in enumerate(folders):
        for at in range(count):
            number = start + label * count + at
            _draw(root / folder / f"{number:05d}{suffix}", label, number)


def _write(file: Path, rows: Sequence[Sequence[object]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows(rows)


def _aptos(root: Path) -> None:
    for at, (table, folder, count) in enumerate(
        (
            ("train_1", "train_images", _TRAIN),
            ("valid", "val_images", _HELD_OUT),
            ("test", "test_images", _HELD_OUT),
        )
    ):
        rows: list[tuple[object, ...]] = [("id_code", "diagnosis")]
        for number in range(5 * count):
            code = f"{1000 * at + number:012x}"
            _draw(root / folder / folder / f"{code}.png", number % 5, 1000 * at + number)
            rows.append((code, number % 5))
        _write(root / f"{table}.csv", rows)


def _in_folders(
    classes: Sequence[str], held_out: str = "test", suffix: str = ".jpg"
) -> Callable[[Path], None]:
    def make(root: Path) -> None:
        _fill(root / "train", classes, _TRAIN + 2, 0, suffix)
        _fill(root / held_out, classes, _HELD_OUT, 1000, suffix)

    return make


def _limuc(root: Path) -> None:
    start = 1
    for part, count in (("train_and_validation_sets", 2 * _TRAIN), ("test_set", _HELD_OUT)):
        for score in range(4):
            for _ in range(count):
                _draw(root / part / f"Mayo {score}" / f"UC_patient_{start}_1.bmp", score, start)
                start += 1


def _imagenet10(root: Path) -> None:
    from tools.datasets.known.imagenet import TEN

    _in_folders([each.wnid for each in TEN], "val", ".JPEG")(root)


def _imagenet_v2(root: Path) -> None:
    from tools.datasets.known.imagenet import TEN

    folder = root / "imagenetv2-matched-frequency-format-val"
    _fill(folder, [str(each.index) for each in TEN], _HELD_OUT, 2000, ".jpeg")


def _imagenet_sketch(root: Path) -> None:
    from tools.datasets.known.imagenet import TEN

    _fill(root, [each.wnid for each in TEN], _HELD_OUT, 3000, ".JPEG")


def _cub(root: Path) -> None:
    base = root / "CUB_200_2011"
    images, labels, splits = [], [], []
    key = 0
    for label, folder in enumerate(_CUB_CLASSES, start=1):
        for flag in [1] * (_TRAIN + 5) + [0] * _HELD_OUT:
            key += 1
            name = f"{folder}/{folder.partition('.')[2]}_{key:04d}_{700000 + key}.jpg"
            _draw(base / "images" / name, label, key)
            images.append(f"{key} {name}")
            labels.append(f"{key} {label}")
            splits.append(f"{key} {flag}")
    classes = [f"{label} {folder}" for label, folder in enumerate(_CUB_CLASSES, start=1)]
    for file, lines in (
        ("images", images),
        ("image_class_labels", labels),
        ("train_test_split", splits),
        ("classes", classes),
    ):
        (base / f"{file}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _iwildcam(root: Path) -> None:
    start = 0
    for table, split, traps, count in (
        ("train_subset", "train", (1, 2), _TRAIN),
        ("val_subset", "id_test", (6,), _HELD_OUT),
        ("test_subset", "test", (287,), _HELD_OUT),
    ):
        rows: list[tuple[object, ...]] = [
            ("", "split", "location_remapped", "sequence_remapped", "y", "filename")
        ]
        for label, y in enumerate(_IWILDCAM_CLASSES):
            for at in range(count):
                name = f"{start:08x}-21bc-11ea-a13a-137349068a90.jpg"
                _draw(root / "train" / name, label, start)
                rows.append((start, split, traps[at % len(traps)], start, y, name))
                start += 1
        _write(root / f"{table}.csv", rows)


REPLICAS: dict[str, Callable[[Path], None]] = {
    "aptos": _aptos,
    "melanoma": _in_folders(("Benign", "Malignant")),
    "alzheimer-parkinson": _in_folders(("AD", "CONTROL", "PD")),
    "limuc": _limuc,
    "imagenet10": _imagenet10,
    "imagenet-v2": _imagenet_v2,
    "imagenet-sketch": _imagenet_sketch,
    "cub": _cub,
    "iwildcam": _iwildcam,
}
"""Data set → what writes its replica into an empty folder."""
