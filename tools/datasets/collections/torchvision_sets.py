"""`torchvision:NAME`: classification sets of torchvision, in the splits that it publishes.

They lie where torchvision puts them, below `config.path` or data/torchvision. Where torchvision says which file each
image is, the file's own bytes are read; where it holds arrays, one image at a time is given out as PNG.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, cast

from tools.datasets.assemble import Item, assemble
from tools.datasets.collections.array_png import stored_png
from tools.datasets.collections.torchvision_cards import CARDS, About
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.known.common import DATA, missing
from tools.datasets.types import Card, Dataset, Source, Split
from tools.errors import AugurError, ConfigurationError, DataError

_LABELS = ("targets", "labels", "_labels")
_FILES = ("_image_files", "_images")
_PAIRS = ("samples", "_samples")
"""Names under which torchvision's classes keep labels, files, and (file, label) of each image."""


@dataclass(frozen=True)
class ArraySource:
    """Images 'SPLIT/NUMBER' that torchvision holds in an array; carries names only.

    The array is loaded in whichever process reads, so each of them needs its memory (CIFAR: 180 MB).
    """

    name: str
    root: Path

    def read(self, file: str) -> bytes:
        """One image as PNG."""
        split, _, number = file.partition("/")
        image, _ = _opened(self.name, self.root, cast(Split, split))[int(number)]
        return stored_png(image)

    def where(self, file: str) -> str:
        """A description: there is no file."""
        return f"image {file} of torchvision's {self.name} in {self.root}"


def open_torchvision(config: DataConfig) -> Dataset:
    """Open a set of torchvision from `config.path` (what torchvision calls root), or from data/torchvision.

    Raises:
        ConfigurationError: there is no such set here.
        DataError: it is not there, or damaged.
    """
    name = set_named((config.dataset or "").partition(":")[2])
    about = CARDS[name]
    root = (config.path or DATA / "torchvision").absolute()
    items: list[Item] = []
    source: Source = ArraySource(name, root)
    classes: tuple[str, ...] = ()
    for split in about.splits:
        opened = _opened(name, root, split)
        labels, files = _listed(opened, name)
        classes = classes or about.classes or _class_names(opened, labels)
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
        _card(name, about, classes),
        assembled.records,
        source,
        notes=about.notes,
        missing=assembled.missing,
        known_leaks=True,
    )


def set_named(name: str) -> str:
    """NAME of torchvision:NAME as torchvision writes it.

    Raises:
        ConfigurationError: it is none of the sets that are known here.
    """
    by_folded = {known.casefold(): known for known in CARDS}
    if name.casefold() in by_folded:
        return by_folded[name.casefold()]
    near = get_close_matches(name, CARDS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigurationError(f"there is no torchvision:{name} here: {hint}Known are {', '.join(CARDS)}")


def load(name: str, root: Path, split: Split, *, download: bool) -> Any:
    """One split of a set as torchvision opens it; its items are (PIL image, label).

    Raises:
        Whatever torchvision raises where it is missing, damaged, or cannot be downloaded.
    """
    from torchvision import datasets

    arguments: Mapping[str, Any] = CARDS[name].splits[split]
    return getattr(datasets, name)(str(root), download=download, **arguments)


@lru_cache(maxsize=3)
def _opened(name: str, root: Path, split: Split) -> Any:
    try:
        return load(name, root, split, download=False)
    except (RuntimeError, OSError) as error:
        about = CARDS[name]
        found = missing(
            f"torchvision's {name}", root, ((about.layout,),), f"agent datasets get torchvision:{name}"
        )
        raise DataError(f"{found}\n(torchvision says: {error})") from error


def _listed(opened: Any, name: str) -> tuple[list[int], list[str] | None]:
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

    raise AugurError(f"torchvision {__version__} keeps the labels of {name} where they are not looked for")


def _class_names(opened: Any, labels: list[int]) -> tuple[str, ...]:
    given = getattr(opened, "classes", None) or [str(number) for number in range(max(labels, default=0) + 1)]
    return tuple(
        name if isinstance(name, str) else name[0] for name in given
    )  # Imagenette has several for each


def _group(name: str, file: str) -> str | None:
    """Thirty frames of one sign are a track of GTSRB; nothing is published of the other sets."""
    path = PurePosixPath(file)
    if name == "GTSRB" and "Training" in path.parts:
        return f"{path.parent.name}/{path.stem.partition('_')[0]}"
    return None


def _card(name: str, about: About, classes: tuple[str, ...]) -> Card:
    superclasses = (about.subject,) * len(classes) if about.subject else ()
    return Card(
        name=f"torchvision:{name}",
        title=about.title,
        modality=about.modality,
        description=about.description,
        classes=classes,
        metric=about.metric,
        image_size=about.image_size,
        licence=about.licence,
        citation=about.citation,
        download=f"agent datasets get torchvision:{name}",
        warnings=about.warnings,
        superclasses=superclasses,
    )
