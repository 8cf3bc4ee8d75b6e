"""How many planted copies the comparison by look finds, how many different pictures it accuses, and what it costs.

Copies of a set's own pictures are made in many ways and put among them; then all pairs are compared. Runs on generated
photographs, on cuttings of the two photographs and on the scans of digits that scikit-learn carries with it; or on a
folder of images: `python -m benchmarks.leak_recall --data FOLDER [--size PIXELS]`.
"""

import argparse
import io
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from benchmarks.photos import encode_photo
from tools.datasets.cache.decode import as_rgb, decode
from tools.datasets.splits.likeness import find_alike, has_structure
from tools.datasets.splits.thumbnails import THUMB, thumbnail, transform

PER_KIND = 200
"""Pictures of which a copy of each kind is planted."""
PHOTOS = 2_000
COMPARED = (10_000, 100_000)
TARGET = 60.0
"""Seconds for the larger of `COMPARED`."""

Change = Callable[[Image.Image], bytes]


def _saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, kind, **(options or ({"compress_level": 1} if kind == "PNG" else {})))
    return encoded.getvalue()


def _jpeg(image: Image.Image, quality: int = 85) -> bytes:
    return _saved(image, "JPEG", quality=quality)


def _scaled(
    image: Image.Image, by: float, filter_: Image.Resampling = Image.Resampling.BICUBIC
) -> Image.Image:
    return image.resize((max(1, round(image.width * by)), max(1, round(image.height * by))), filter_)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    """Without `share` of the width and height, half of it on each side."""
    x, y = round(image.width * share / 2), round(image.height * share / 2)
    return image.crop((x, y, image.width - x, image.height - y))


def _with_gamma(image: Image.Image, gamma: float) -> Image.Image:
    table = [round(255 * (value / 255) ** gamma) for value in range(256)]
    return image.point(table * len(image.getbands()))


def _turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turned, without the black corners: they would be structure of their own."""
    turned = image.rotate(degrees, Image.Resampling.BICUBIC)
    return _cropped(turned, 2 * float(np.sin(np.radians(degrees))))


_TURN = Image.Transpose

REENCODED: dict[str, Change] = {
    "PNG": _saved,
    "JPEG 95": lambda image: _jpeg(image, 95),
    "JPEG 75": lambda image: _jpeg(image, 75),
    "JPEG 50": lambda image: _jpeg(image, 50),
    "WebP 80": lambda image: _saved(image, "WEBP", quality=80),
    "WebP 50": lambda image: _saved(image, "WEBP", quality=50),
    "grey, JPEG 85": lambda image: _jpeg(image.convert("L")),
}
RESIZED: dict[str, Change] = {
    "50 %": lambda image: _saved(_scaled(image, 0.5)),
    "50 %, JPEG 75": lambda image: _jpeg(_scaled(image, 0.5), 75),
    "50 %, no filter": lambda image: _saved(_scaled(image, 0.5, Image.Resampling.NEAREST)),
    "75 %, JPEG 85": lambda image: _jpeg(_scaled(image, 0.75)),
    "200 %": lambda image: _saved(_scaled(image, 2)),
}
LAID: dict[str, Change] = {
    "mirrored": lambda image: _saved(image.transpose(_TURN.FLIP_LEFT_RIGHT)),
    "mirrored, JPEG 75": lambda image: _jpeg(image.transpose(_TURN.FLIP_LEFT_RIGHT), 75),
    "upside down, JPEG 75": lambda image: _jpeg(image.transpose(_TURN.FLIP_TOP_BOTTOM), 75),
    "turned by 90°, JPEG 75": lambda image: _jpeg(image.transpose(_TURN.ROTATE_90), 75),
    "turned by 180°, JPEG 75": lambda image: _jpeg(image.transpose(_TURN.ROTATE_180), 75),
}
OTHERS: dict[str, Change] = {
    "blurred by 1 px": lambda image: _jpeg(image.filter(ImageFilter.GaussianBlur(1))),
    "brightness 120 %": lambda image: _jpeg(ImageEnhance.Brightness(image).enhance(1.2)),
    "contrast 130 %": lambda image: _jpeg(ImageEnhance.Contrast(image).enhance(1.3)),
    "gamma 0.8": lambda image: _jpeg(_with_gamma(image, 0.8)),
    "cropped by 2 %": lambda image: _jpeg(_cropped(image, 0.02)),
    "cropped by 5 %": lambda image: _jpeg(_cropped(image, 0.05)),
    "cropped by 10 %": lambda image: _jpeg(_cropped(image, 0.1)),
    "turned by 2°": lambda image: _jpeg(_turned(image, 2)),
}
CHANGES = REENCODED | RESIZED | LAID | OTHERS
_EXPECTED = dict.fromkeys(CHANGES, "same") | {
    name: "turned" if name.startswith("turned") else "mirrored" for name in LAID
}


@dataclass(frozen=True)
class Pictures:
    """A set before anything is planted."""

    name: str
    encoded: list[bytes]
    groups: list[str]
    """Equal for pictures that are known to show the same; nothing that is found between them is a false alarm."""
    size: int
    """Side of the decoded pictures in pixels."""


@dataclass(frozen=True)
class Recall:
    """What was found of one set."""

    name: str
    images: int
    plain: int
    """Pictures without structure: they are not compared, and no copies of them are planted."""
    planted: int
    """Of each kind of copy."""
    found: dict[str, int]
    called_otherwise: int
    """Copies found, but with the wrong word for how the picture lies."""
    identical: int
    """Pairs of different groups with equal pixels, which the set came with."""
    accused: list[tuple[int, int]]
    """All other pairs of the set's own pictures, of different groups, that were called alike."""
    accused_as_copies: list[tuple[int, int]]
    """Further pairs, of which only a changed copy of one or both was called alike."""
    in_groups: int
    """Pairs of pictures of one group that were called alike."""
    seconds: float


def measure(pictures: Pictures) -> Recall:
    """Plant copies of every kind, compare, and count."""
    count = len(pictures.encoded)

    def seen(encoded: bytes) -> np.ndarray:
        return thumbnail(decode(encoded, pictures.size, "stretch", 10**9))

    thumbnails = [seen(each) for each in pictures.encoded]
    usable = np.flatnonzero(has_structure(transform(np.stack(thumbnails))))
    chosen = np.random.default_rng(0).choice(usable, min(PER_KIND, len(usable)), replace=False)
    originals = np.sort(chosen).tolist()
    sources = list(range(count))
    planted: dict[tuple[int, int], str] = {}
    for original in originals:
        with Image.open(io.BytesIO(pictures.encoded[original])) as opened:
            opened.load()
            image = opened if opened.mode in ("L", "RGB") else as_rgb(opened)
        for name, change in CHANGES.items():
            planted[original, len(thumbnails)] = name
            thumbnails.append(seen(change(image)))
            sources.append(original)

    start = time.perf_counter()
    alike = find_alike(np.stack(thumbnails))
    seconds = time.perf_counter() - start
    found = dict.fromkeys(CHANGES, 0)
    otherwise = 0
    pairs: set[tuple[int, int]] = set()
    own: set[tuple[int, int]] = set()
    for each in alike:
        if (name := planted.get((each.one, each.other))) is not None:
            found[name] += 1
            otherwise += each.how != _EXPECTED[name]
        one, other = sorted((sources[each.one], sources[each.other]))
        if one != other:
            pairs.add((one, other))
        if each.other < count:
            own.add((one, other))
    strangers = {pair for pair in pairs if pictures.groups[pair[0]] != pictures.groups[pair[1]]}
    identical = {pair for pair in strangers if np.array_equal(thumbnails[pair[0]], thumbnails[pair[1]])}
    return Recall(
        pictures.name,
        count,
        count - len(usable),
        len(originals),
        found,
        otherwise,
        len(identical),
        sorted((strangers - identical) & own),
        sorted(strangers - identical - own),
        len(pairs - strangers),
        round(seconds, 2),
    )


def generated() -> Pictures:
    """Photographs made of random forms, no two alike."""
    encoded = [encode_photo(number, 320, 240) for number in range(PHOTOS)]
    return Pictures("generated photographs", encoded, [str(at) for at in range(PHOTOS)], 224)


def cuttings() -> Pictures:
    """Squares cut from the two photographs that come with scikit-learn."""
    from sklearn.datasets import load_sample_images

    side = 64
    encoded = [
        _saved(Image.fromarray(photo[y : y + side, x : x + side]))
        for photo in load_sample_images().images
        for y in range(0, photo.shape[0] - side + 1, side)
        for x in range(0, photo.shape[1] - side + 1, side)
    ]
    return Pictures("cuttings of photographs", encoded, [str(at) for at in range(len(encoded))], 64)


def digits() -> Pictures:
    """The scans of the data set `demo`, 8 x 8 pixels."""
    from sklearn.datasets import load_digits

    scans = (load_digits(return_X_y=True)[0].reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    encoded = [_saved(Image.fromarray(scan)) for scan in scans]
    return Pictures("scans of digits", encoded, [str(at) for at in range(len(encoded))], 32)


def folder(place: Path, size: int) -> Pictures:
    """Images of any layout that a study reads; its groups are respected."""
    from tools.datasets.config import DataConfig
    from tools.datasets.registry import open_dataset

    dataset = open_dataset(DataConfig(path=place))
    records = dataset.records
    encoded = [dataset.source.read(record.file) for record in records]
    return Pictures(place.name, encoded, [record.group for record in records], size)


def random_thumbnails(count: int) -> np.ndarray:
    """Thumbnails with the spectrum of photographs and random forms."""
    from scipy.fft import idctn

    generator = np.random.default_rng(0)
    spectrum = 1 / np.maximum(1, np.hypot(*np.indices((THUMB, THUMB))))
    thumbnails = np.empty((count, THUMB, THUMB), dtype=np.uint8)
    for start in range(0, count, 4096):
        shape = thumbnails[start : start + 4096].shape
        pixels = np.asarray(idctn(generator.normal(size=shape) * spectrum, axes=(1, 2), norm="ortho"))
        pixels *= 45 / pixels.std(axis=(1, 2), keepdims=True)
        thumbnails[start : start + 4096] = np.clip(128 + pixels, 0, 255)
    return thumbnails


def run() -> dict[str, Any]:
    """Measure; takes some minutes on two cores.

    Returns:
        name, seconds (to compare the larger of `COMPARED`), target, met (also every re-encoded copy of the generated
        photographs is found, and none of the sets' own pictures is accused), details.
    """
    recalls = [measure(pictures()) for pictures in (generated, cuttings, digits)]
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    start = time.perf_counter()
    for _ in range(200):
        thumbnail(pixels)
    thumbnail_ms = (time.perf_counter() - start) / 200 * 1000
    thumbnails = random_thumbnails(max(COMPARED))
    seconds: dict[int, float] = {}
    for count in COMPARED:
        start = time.perf_counter()
        find_alike(thumbnails[:count])
        seconds[count] = round(time.perf_counter() - start, 2)
    missed = sum(recalls[0].planted - recalls[0].found[name] for name in REENCODED)
    return {
        "name": "comparing 100,000 pictures by look",
        "seconds": seconds[max(COMPARED)],
        "target": f"≤ {TARGET:g} s",
        "met": seconds[max(COMPARED)] <= TARGET and missed == 0 and not any(each.accused for each in recalls),
        "details": {
            "seconds": seconds,
            "thumbnail_milliseconds": round(thumbnail_ms, 3),
            "sets": [asdict(each) for each in recalls],
        },
    }


def table(recalls: list[Recall]) -> str:
    """Recall in per cent by kind of copy and set, as Markdown."""
    lines = [
        "| copy | " + " | ".join(each.name for each in recalls) + " |",
        "| --- |" + " ---: |" * len(recalls),
        "| *images* | " + " | ".join(f"{each.images:,}" for each in recalls) + " |",
    ]
    for name in CHANGES:
        shares = " | ".join(f"{100 * each.found[name] / each.planted:.4g}" for each in recalls)
        lines.append(f"| {name} | {shares} |")
    counts: dict[str, Callable[[Recall], object]] = {
        "*too plain to be compared*": lambda each: each.plain,
        "*planted of each kind*": lambda each: each.planted,
        "*pairs of different groups found*": lambda each: len(each.accused),
        "*further such pairs through changed copies*": lambda each: len(each.accused_as_copies),
        "*pairs of one group found*": lambda each: each.in_groups,
        "*pairs with equal pixels found*": lambda each: each.identical,
        "*found, but how it lies named wrongly*": lambda each: each.called_otherwise,
    }
    lines += [
        f"| {name} | " + " | ".join(str(of(each)) for each in recalls) + " |" for name, of in counts.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Recall and false alarms of the comparison by look.")
    parser.add_argument("--data", type=Path, action="append", default=[], help="a folder of images")
    parser.add_argument("--size", type=int, default=224, help="side of the decoded images in pixels")
    options = parser.parse_args()
    measured = [
        measure(each)
        for each in (
            [folder(place, options.size) for place in options.data] or [generated(), cuttings(), digits()]
        )
    ]
    print(table(measured))
    print(json.dumps({each.name: each.accused for each in measured}))
