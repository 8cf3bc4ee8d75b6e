"""`torchvision:NAME`: classification sets of torchvision, in the splits that it publishes.

They are where torchvision puts them, below `config.path` or data/torchvision. Where torchvision names a file for each
image, the bytes of that file are read; where it holds arrays, single images are read as PNG.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import card_from, read_collection
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.location import DATA, not_found
from tools.datasets.stored_png import stored_png
from tools.datasets.types import Card, Dataset, Source, Split
from tools.errors import AugurError, ConfigurationError, DataError, did_you_mean

_LABELS = ("targets", "labels", "_labels")
_FILES = ("_image_files", "_images")
_PAIRS = ("samples", "_samples")
"""Attributes in which torchvision's classes keep labels, files, and (file, label) of each image."""


@dataclass(frozen=True)
class TorchvisionSet:
    """A set of torchvision, as torchvision.yaml describes it."""

    card: dict[str, Any]
    """Fields of its card."""
    splits: Mapping[Split, Mapping[str, Any]]
    """Each published split → the arguments with which torchvision opens it."""
    layout: str
    """Where torchvision expects the files, below its root."""
    notes: tuple[str, ...]


@cache
def known_sets() -> dict[str, TorchvisionSet]:
    """Name, as torchvision writes it → set."""
    sets = {}
    for name, fields in read_collection(Path(__file__).with_name("torchvision.yaml")).items():
        splits, layout, notes = fields.pop("splits"), fields.pop("layout"), tuple(fields.pop("notes", ()))
        sets[name] = TorchvisionSet(fields, splits, layout, notes)
    return sets


@dataclass(frozen=True)
class ArraySource:
    """Images 'SPLIT/NUMBER' that torchvision holds in an array.

    It pickles as names only: every process that reads loads the array into its own memory (CIFAR: 180 MB).
    """

    name: str
    root: Path

    def read(self, file: str) -> bytes:
        """One image as PNG."""
        split, _, number = file.partition("/")
        image, _ = _open_split(self.name, self.root, cast(Split, split))[int(number)]
        return stored_png(image)

    def where(self, file: str) -> str:
        """A description, since there is no file."""
        return f"image {file} of torchvision's {self.name} in {self.root}"


def open_torchvision(config: DataConfig) -> Dataset:
    """Open a set of torchvision from `config.path` (what torchvision calls root), or from data/torchvision.

    Raises:
        ConfigurationError: the set is not supported.
        DataError: it is not there, or damaged.
    """
    name = set_named((config.dataset or "").partition(":")[2])
    described = known_sets()[name]
    root = (config.path or DATA / "torchvision").absolute()
    items: list[Item] = []
    source: Source = ArraySource(name, root)
    classes: tuple[str, ...] = ()
    for split in described.splits:
        opened = _open_split(name, root, split)
        labels, files = _labels_and_files(opened, name)
        classes = classes or tuple(described.card.get("classes", ())) or _class_names(opened, labels)
        wrong = sorted(set(labels) - set(range(len(classes))))
        if wrong:
            raise DataError(
                f"torchvision's {name} in {root} has the label {wrong[0]} of {len(classes)} classes"
            )
        if files is not None:
            source = FolderSource(root)
        for row, label in enumerate(labels):
            file = f"{split}/{row:06d}" if files is None else Path(files[row]).relative_to(root).as_posix()
            items.append(Item(file, classes[label], split, _group(name, file)))
    assembled = assemble(items, root, classes)
    return Dataset(
        _card(name, classes),
        assembled.records,
        source,
        notes=described.notes,
        missing=assembled.missing,
        known_leaks=True,
    )


def set_named(name: str) -> str:
    """NAME of torchvision:NAME as torchvision writes it.

    Raises:
        ConfigurationError: the set is not supported.
    """
    by_folded = {known.casefold(): known for known in known_sets()}
    if name.casefold() in by_folded:
        return by_folded[name.casefold()]
    hint = f"{did_you_mean(name, known_sets())} ".lstrip()
    raise ConfigurationError(
        f"torchvision:{name} is not supported: {hint}Supported are {', '.join(known_sets())}"
    )


def load(name: str, root: Path, split: Split, *, download: bool) -> Any:
    """One split of a set as torchvision opens it; its items are (PIL image, label).

    Raises:
        Whatever torchvision raises if it is missing, damaged, or cannot be downloaded.
    """
    from torchvision import datasets

    arguments: Mapping[str, Any] = known_sets()[name].splits[split]
    return getattr(datasets, name)(str(root), download=download, **arguments)


@lru_cache(maxsize=3)
def _open_split(name: str, root: Path, split: Split) -> Any:
    try:
        return load(name, root, split, download=False)
    except (RuntimeError, OSError) as error:
        layouts = ((known_sets()[name].layout,),)
        reason = not_found(f"torchvision's {name}", root, layouts, f"agent datasets get torchvision:{name}")
        raise DataError(f"{reason}\n(torchvision says: {error})") from error


def _labels_and_files(opened: Any, name: str) -> tuple[list[int], list[str] | None]:
    """The label of each image, and its file where there is one."""
    for attribute in _PAIRS:
        pairs = getattr(opened, attribute, None)
        if pairs is not None:
            return [int(label) for _, label in pairs], [str(file) for file, _ in pairs]
    for attribute in _LABELS:
        labels = getattr(opened, attribute, None)
        if labels is not None:
            files = next((getattr(opened, each) for each in _FILES if hasattr(opened, each)), None)
            return [int(label) for label in labels], None if files is None else [str(file) for file in files]
    from torchvision import __version__

    raise AugurError(f"torchvision {__version__} keeps the labels of {name} in an unknown attribute")


def _class_names(opened: Any, labels: list[int]) -> tuple[str, ...]:
    given = getattr(opened, "classes", None) or [str(number) for number in range(max(labels, default=0) + 1)]
    # Imagenette has several names for each class.
    return tuple(name if isinstance(name, str) else name[0] for name in given)


def _group(name: str, file: str) -> str | None:
    """The track of a sign in GTSRB (some thirty frames); the other sets publish no groups."""
    path = PurePosixPath(file)
    if name == "GTSRB" and "Training" in path.parts:
        return f"{path.parent.name}/{path.stem.partition('_')[0]}"
    return None


def _card(name: str, classes: tuple[str, ...]) -> Card:
    return card_from(
        {
            **known_sets()[name].card,
            "name": f"torchvision:{name}",
            "classes": classes,
            "download": f"agent datasets get torchvision:{name}",
        }
    )
