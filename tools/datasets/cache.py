"""The decode-once cache: every image as RGB bytes of one size, on disk, shared by all trials.

`build_cache` makes it (`staging.py` does the decoding), `open_cache` opens it again from its folder alone, in any
process, without torch. A finished cache never changes, but for the words about it (`about.json`):

    NAME-SIZEpx-KEY/       the key: SHA-256 over every image's content, label, split, group and the way of decoding
      about.json           the card and the notes
      meta.json            fingerprint, sizes, counts, skipped files
      train.npy            uint8 (N, S, S, 3); likewise validation.npy
      train.json           labels, files, groups, in the order of the rows
      test.npy, test.json  touched by `open_test` only

A folder takes this name when it is complete, and not before: until then it is called KEY.partial.
"""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from tools.datasets.config import DataConfig
from tools.datasets.content import Content, ContentIndex
from tools.datasets.leaks import NAMED, clear_leaks
from tools.datasets.staging import Progress, Row, clear_log, pixel_file, stage
from tools.datasets.types import SPLITS, Card, Dataset, Record, Source, Split
from tools.errors import AugurError, DataError

_FORMAT = 1
"""Raised whenever the files, or the pixels that decoding makes, change their meaning."""


class SealedTestError(AugurError):
    """The test split was asked for by a way that is open during the search."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class SplitView:
    """One split. Pickles as its place on disk, never as pixels."""

    folder: Path
    name: Split
    images: np.memmap
    """uint8 (N, S, S, 3), RGB, read-only."""
    labels: np.ndarray
    """int64 (N,), index into the card's classes."""
    files: list[str]
    groups: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_split, (self.folder, self.name)


class CachedDataset:
    """A finished cache. Cheap to open and to pickle (by its folder)."""

    def __init__(self, folder: Path) -> None:
        meta = _read_json(folder / "meta.json")
        if meta.get("format") != _FORMAT:
            raise DataError(
                f"{folder} was written in format {meta.get('format')}, this version reads {_FORMAT}: delete the "
                "folder, and it is made again from the images"
            )
        about = _read_json(folder / "about.json")
        self.folder = folder
        self.fingerprint: str = meta["fingerprint"]
        """Hex SHA-256 over what trials can depend on: contents, labels, splits, groups, classes, size, fit."""
        self.image_size: int = meta["image_size"]
        self.skipped = tuple(Skipped(**each) for each in meta["skipped"])
        self.card = _card_from(about["card"])
        self.notes: tuple[str, ...] = tuple(about["notes"])
        """What was found and done while opening and building, for the user to see."""
        self._class_counts: dict[str, dict[str, int]] = meta["class_counts"]

    def __reduce__(self) -> tuple[Any, ...]:
        return open_cache, (self.folder,)

    def class_counts(self, split: Split) -> dict[str, int]:
        """Images of each class. Also for test: the counts are kept apart from the sealed files."""
        return dict(self._class_counts[split])

    def split(self, name: Literal["train", "validation", "test"]) -> SplitView:
        """The training or validation images.

        Raises:
            SealedTestError: for 'test', which only `open_test` opens.
        """
        if name == "test":
            raise SealedTestError(
                "the test split stays sealed during the search; the final comparison opens it by open_test()"
            )
        return _open_split(self.folder, name)

    def open_test(self) -> SplitView:
        """The test images. To be called once, when nothing will be chosen any more."""
        return _open_split(self.folder, "test")


def open_cache(folder: Path) -> CachedDataset:
    """Open a finished cache from its folder.

    Raises:
        DataError: there is none, it is not finished, or it was written by another version.
    """
    return CachedDataset(Path(folder))


def build_cache(
    dataset: Dataset,
    config: DataConfig,
    image_size: int,
    root: Path,
    progress: Progress | None = None,
) -> CachedDataset:
    """Decode and resize every image once, or open what an earlier call made of the same images.

    Safe to be killed at any point (the next call goes on), and to be called by several processes at once (one
    builds, the others wait). Memory does not grow with the data set.

    Args:
        dataset: as `open_dataset` returns it.
        config: `fit`, `on_corrupt`, `on_leak`, `max_pixels` and `decode_workers` are used.
        image_size: side of the decoded images in pixels.
        root: folder of all caches.
        progress: called with (images done, images in all).

    Raises:
        DataError: an image cannot be read (unless they are to be skipped), the same image is in two splits (unless
            those are to be dropped), or a class is left without images in a split.
        AugurError: the disk is full or cannot be written.
    """
    root = root.absolute()
    contents = list(
        ContentIndex(root / "content.sqlite").contents(dataset.source, [r.file for r in dataset.records])
    )
    cleared = clear_leaks(dataset, contents, drop=config.on_leak == "drop" or dataset.known_leaks)
    order = sorted(
        cleared.kept, key=lambda i: (SPLITS.index(dataset.records[i].split), dataset.records[i].file)
    )
    images = [(dataset.records[i], contents[i]) for i in order]
    key = _key(images, dataset.card, config, image_size)
    folder = root / f"{_slug(dataset.card.name)}-{image_size}px-{key[:16]}"

    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            _build(folder, images, dataset, config, image_size, progress)
        elif progress is not None:
            progress(len(images), len(images))
        clear_log(folder)
        _write_about(folder, dataset.card, (*dataset.notes, *cleared.notes))
    cached = open_cache(folder)
    if cached.skipped and config.on_corrupt == "stop":
        raise DataError(_corrupt_message(cached.skipped, len(images), dataset.source))
    return cached


def _build(
    folder: Path,
    images: list[tuple[Record, Content]],
    dataset: Dataset,
    config: DataConfig,
    image_size: int,
    progress: Progress | None,
) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    rows: list[Row] = []
    readable: list[tuple[Record, Content]] = []
    skipped: list[Skipped] = []
    counts: dict[Split, int] = dict.fromkeys(SPLITS, 0)
    for record, content in images:
        if content.sha256 is None:
            skipped.append(Skipped(record.file, content.reason))
        else:
            rows.append(Row(record.file, record.split, counts[record.split], content.sha256))
            readable.append((record, content))
            counts[record.split] += 1
    unreadable = stage(
        partial,
        dataset.source,
        rows,
        image_size,
        config.fit,
        config.max_pixels,
        encoded_bytes=sum(content.size for _, content in images),
        workers=config.decode_workers,
        progress=progress,
    )
    skipped += [
        Skipped(row.file, unreadable[row.split, row.row])
        for row in rows
        if (row.split, row.row) in unreadable
    ]
    if skipped and config.on_corrupt == "stop":
        raise DataError(_corrupt_message(skipped, len(images), dataset.source))
    kept = [
        image for image, row in zip(readable, rows, strict=True) if (row.split, row.row) not in unreadable
    ]
    class_counts = _count_classes([record for record, _ in kept], dataset.card, skipped)

    pixel_files = {}
    for split in SPLITS:
        holes = {row for its_split, row in unreadable if its_split == split}
        pixel_files[split] = _compacted(partial, split, holes).name
        its_records = [record for record, _ in kept if record.split == split]
        _write_json(
            partial / f"{split}.json",
            {
                "pixels": pixel_files[split],
                "labels": [record.label for record in its_records],
                "files": [record.file for record in its_records],
                "groups": [record.group for record in its_records],
            },
        )
    _write_json(
        partial / "meta.json",
        {
            "format": _FORMAT,
            "fingerprint": _fingerprint(kept, dataset.card, config, image_size),
            "image_size": image_size,
            "class_counts": class_counts,
            "skipped": [asdict(each) for each in skipped],
        },
    )
    _write_about(partial, dataset.card, dataset.notes)
    for split in SPLITS:
        _to_disk(partial / pixel_files[split])
    os.replace(partial, folder)
    # What compacting replaced goes last: until the folder has its name, an interrupted build starts from it.
    for split in SPLITS:
        if pixel_files[split] != pixel_file(folder, split).name:
            pixel_file(folder, split).unlink()


def _compacted(folder: Path, split: Split, holes: set[int]) -> Path:
    """The split's pixels without the rows of unreadable images."""
    source = pixel_file(folder, split)
    if not holes:
        return source
    images = np.lib.format.open_memmap(source, mode="r")
    kept = [row for row in range(len(images)) if row not in holes]
    target = source.with_suffix(".compact.npy")
    with target.open("wb") as opened:
        np.lib.format.write_array_header_1_0(
            opened, {"descr": "|u1", "fortran_order": False, "shape": (len(kept), *images.shape[1:])}
        )
        for row in kept:
            opened.write(images[row].tobytes())
    return target


def _open_split(folder: Path, name: Split) -> SplitView:
    rows = _read_json(folder / f"{name}.json")
    try:
        images = np.load(folder / rows["pixels"], mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(
            f"the decoded images {folder / rows['pixels']} cannot be opened ({error}): delete {folder}, and they "
            "are made again"
        ) from error
    labels = np.asarray(rows["labels"], dtype=np.int64)
    if len(images) != len(labels):
        raise DataError(
            f"{folder} holds {len(images)} {name} images but {len(labels)} labels: delete it, and it is made again"
        )
    labels.flags.writeable = False
    return SplitView(folder, name, images, labels, rows["files"], rows["groups"])


def _key(images: list[tuple[Record, Content]], card: Card, config: DataConfig, image_size: int) -> str:
    """Names the folder: differs wherever anything in it but `about.json` would."""
    digest = hashlib.sha256()
    _feed(digest, _FORMAT, image_size, config.fit, config.max_pixels, card.classes)
    for record, content in images:
        known = content.sha256.hex() if content.sha256 is not None else content.reason
        _feed(digest, record.file, record.split, record.label, record.group, known)
    return digest.hexdigest()


def _fingerprint(
    images: list[tuple[Record, Content]], card: Card, config: DataConfig, image_size: int
) -> str:
    """Names the data as trials see it: files may be renamed and groups be called otherwise without changing it."""
    digest = hashlib.sha256()
    _feed(digest, _FORMAT, image_size, config.fit, card.classes)
    numbers: dict[str, int] = {}
    for record, content in images:
        assert content.sha256 is not None
        group = numbers.setdefault(record.group, len(numbers))
        _feed(digest, content.sha256.hex(), record.label, record.split, group)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", *values: object) -> None:
    digest.update(json.dumps(values).encode() + b"\n")


def _count_classes(records: list[Record], card: Card, skipped: list[Skipped]) -> dict[Split, dict[str, int]]:
    counts: dict[Split, dict[str, int]] = {split: dict.fromkeys(card.classes, 0) for split in SPLITS}
    for record in records:
        counts[record.split][card.classes[record.label]] += 1
    empty = [f"{name} in {split}" for split in SPLITS for name, n in counts[split].items() if n == 0]
    if empty:
        raise DataError(
            f"no usable image of class {', '.join(empty)} in {card.name}"
            + (f" after {len(skipped)} unreadable files were skipped" if skipped else "")
            + ". Every class needs at least one image in each split."
        )
    return counts


def _corrupt_message(skipped: list[Skipped] | tuple[Skipped, ...], total: int, source: Source) -> str:
    lines = [f"  {source.where(each.file)}: {each.reason}" for each in skipped[:NAMED]]
    if len(skipped) > NAMED:
        lines.append(f"  … and {len(skipped) - NAMED} more")
    return (
        f"{len(skipped)} of {total} images cannot be read:\n"
        + "\n".join(lines)
        + "\nReplace or remove them, or "
        "set data.on_corrupt=skip to leave them out (they are counted in the report)."
    )


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:40] or "data"


def _write_about(folder: Path, card: Card, notes: tuple[str, ...]) -> None:
    about = json.loads(json.dumps({"card": asdict(card), "notes": notes}))
    file = folder / "about.json"
    if not file.exists() or _read_json(file) != about:
        _write_json(file, about)


def _card_from(data: dict[str, Any]) -> Card:
    return Card(**{**data, "classes": tuple(data["classes"]), "warnings": tuple(data["warnings"])})


def _read_json(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{file.parent} is not a finished cache of a data set ({file.name} is missing)"
        ) from error
    except ValueError as error:
        raise DataError(f"{file} is damaged ({error}): delete {file.parent}, and it is made again") from error


def _write_json(file: Path, data: dict[str, Any]) -> None:
    partial = file.with_name(f"{file.name}.writing")
    partial.write_text(json.dumps(data), encoding="utf-8")
    _to_disk(partial)
    partial.replace(file)


def _to_disk(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
