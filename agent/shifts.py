"""Tests under shift: other data sets of the same classes, on which the final comparison is repeated.

They are decoded when a study opens, like the data set itself, and read only at its end (`testing.py`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.screen.terminal import Terminal
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.overlap import shared_images
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.label_sets import packed
from tools.datasets.location import data_folder
from tools.datasets.presence import is_occupied
from tools.datasets.registry import ENTRIES, open_published
from tools.datasets.types import Card, Dataset
from tools.errors import ConfigurationError, DataError, did_you_mean
from tools.text import counted

AUTO = "auto"


@dataclass(frozen=True)
class Shift:
    """A data set that classifiers of another one are tested on."""

    name: str
    data: CachedDataset
    cautions: tuple[str, ...]
    """Printed with its results."""

    @property
    def metric(self) -> str:
        """What its metrics in MLflow end with, such as _imagenet_v2."""
        return "_" + "".join(letter if letter.isalnum() else "_" for letter in self.name)

    @property
    def predictions(self) -> str:
        """Name of a trial's predictions on it; another one if its images change."""
        return f"test{self.metric}-{self.data.fingerprint[:12]}"


def find_shifts(config: DataConfig, card: Card) -> list[tuple[Dataset, DataConfig]]:
    """The sets that the study's classifiers are tested on besides their own test split; decodes nothing.

    Args:
        config: of the study's data set; `shifts` says which.
        card: of that data set.

    Raises:
        ConfigurationError: one is unknown, or has classes that the data set lacks.
        DataError: one is missing or malformed.
    """
    return [find_shift(config, card, name, path) for name, path in _wanted(config)]


def find_shift(
    config: DataConfig,
    card: Card,
    name: str,
    path: Path | None,
    called: str = "data.shifts",
    folder: bool = False,
) -> tuple[Dataset, DataConfig]:
    """One such set: a known one, or a folder under any other name; decodes nothing.

    Args:
        config: of the study's data set.
        card: of that data set.
        name: of the set.
        path: where it is; None where it is known by its name.
        called: what asks for it, for the error.
        folder: whether it is a folder of images, whatever it is called.

    Raises:
        ConfigurationError: it has classes that the data set lacks.
        DataError: it is missing or malformed.
    """
    unset = dict.fromkeys(("variant", "splits", "fold", "fraction", "per_class", "labels"))
    unset |= {"layout": "auto", "exclude": []}  # which are about the study's own folder
    unset |= {"modality": None if card.modality == "unknown" else card.modality}
    asked = config.model_copy(update={"dataset": name, "path": path, **unset})
    if folder or (path is not None and name not in ENTRIES):
        asked = asked.model_copy(update={"dataset": "folder"})
    try:
        found = open_published(asked)
    except DataError as error:
        if asked.dataset != "folder":
            raise
        raise DataError(f"{called}: {error}\n{_how_to_arrange(card)}") from error
    return _test_split(found, name, card, called), asked


def _how_to_arrange(card: Card) -> str:
    """What to do where other images cannot be read, or are of other classes."""
    more = " and more" if len(card.classes) > 10 else ""
    return (
        f"{card.name} has {', '.join(card.classes[:10])}{more}. Other images must be in folders of these names, two or "
        "more of them, or listed in a manifest.csv (columns file,label); flags such as --data.labels and --data.layout "
        f"are for the images of {card.name} alone."
    )


def _test_split(dataset: Dataset, name: str, card: Card, called: str) -> Dataset:
    """The test split of `dataset`, or all of it where it has none, with the labels of the study's classes."""
    label = {each: number for number, each in enumerate(card.classes)}
    if unknown := [each for each in dataset.card.classes if each not in label]:
        raise ConfigurationError(
            f"{called}: {name} has classes that {card.name} lacks: {', '.join(unknown[:5])}. "
            f"{_how_to_arrange(card)}"
        )
    if dataset.card.several_labels != card.several_labels:
        raise ConfigurationError(
            f"{called}: in {(name if dataset.card.several_labels else card.name)} an image may have several labels, in "
            f"{(card.name if dataset.card.several_labels else name)} it has one class: they cannot be compared"
        )
    records = [record for record in dataset.records if record.split == "test"] or dataset.records
    left = len(dataset.records) - len(records)
    notes = [f"its test split alone is used; {counted(left, 'image')} of its others not"] if left else []

    def own(number: int) -> int:
        of = [label[dataset.card.classes[each]] for each in dataset.card.labels_of(number)]
        return packed(of) if card.several_labels else of[0]

    return replace(
        dataset,
        card=replace(dataset.card, name=name, classes=card.classes, superclasses=card.superclasses),
        records=tuple(replace(record, label=own(record.label), split="test") for record in records),
        notes=(*dataset.notes, *notes),
        missing=(),
        folds=(),
        shift_of=card.name,
    )


def decode_shifts(
    found: Sequence[tuple[Dataset, DataConfig]], study: CachedDataset, root: Path, terminal: Terminal
) -> list[Shift]:
    """What `find_shifts` found for the data of a study, decoded into the folder `root` of all caches.

    Raises:
        DataError: an image cannot be read.
    """
    shifts = []
    for dataset, config in found:
        name = dataset.card.name
        # Black and white mean the same as in training, not what this set's own images would make of it.
        span = "type" if study.span is None else "{}:{}".format(*study.span)
        data = build_cache(
            dataset,
            config.model_copy(update={"range": span}),
            study.image_size,
            root,
            lambda done, total, name=name: terminal.progress(f"decoding {name}", done, total),
        )
        for line in data.notes:
            terminal.note(f"{name}: {line}")
        cautions = (*data.card.warnings, *data.warnings)
        for line in cautions:
            terminal.warn(f"{name}: {line}")
        shifts.append(Shift(name, data, (*cautions, *_overlap(study, data, terminal))))
    return shifts


def _overlap(study: CachedDataset, data: CachedDataset, terminal: Terminal) -> tuple[str, ...]:
    shared = shared_images(study, data)
    if not shared:
        return ()
    shown = ", ".join(f"{ours} = {theirs}" for ours, theirs in shared[:5])
    caution = (
        f"{len(shared)} of its images are also training or validation images ({shown}), so its "
        "scores are too high"
    )
    terminal.warn(f"{data.card.name}: {caution}")
    return (caution,)


def _wanted(config: DataConfig) -> Iterator[tuple[str, Path | None]]:
    """(name, path) of each; 'auto' takes every known one that is present. A new name with a path is a folder."""
    known = [name for name, entry in ENTRIES.items() if entry.shift_of is not None]
    for each in config.shifts:
        name, _, path = each.partition("=")
        if name == AUTO:
            of_this = [other for other in known if ENTRIES[other].shift_of == config.dataset]
            yield from ((other, None) for other in of_this if is_occupied(data_folder(other, DataConfig())))
        elif name in known or (path and name not in ENTRIES):
            yield name, Path(path) if path else None
        else:
            hint = did_you_mean(name, known)
            raise ConfigurationError(
                f"data.shifts: no data set {name!r} to test on{': ' + hint if hint else '.'} Known are "
                f"{', '.join(known)} ('auto' stands for each of these that is present). To test on images of your own, "
                "choose a new name: NAME=PATH."
            )
