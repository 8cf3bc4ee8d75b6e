"""`limuc`: LIMUC, endoscopic images of ulcerative colitis, four ordered Mayo endoscopic scores.

Two layouts of one Zenodo record: by patient, without splits; and by score, with the published test split. The ten
published validation folds, from the authors' repository, may be beside the latter. The archives may be unpacked one or
more folders deeper than expected.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.datasets.assemble import Item, assemble
from tools.datasets.cards import read_card
from tools.datasets.config import DataConfig
from tools.datasets.entry import Entry
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import (
    IMAGE_SUFFIXES,
    find_images,
    folders_within,
    subfolders,
    tree,
    visible_files,
)
from tools.datasets.location import data_folder, not_found, shortened
from tools.datasets.types import Dataset, Split
from tools.errors import DataError
from tools.text import counted

CARD = read_card(Path(__file__).with_suffix(".yaml"))

_TRAIN = "train_and_validation_sets"
_TEST = "test_set"
_SPLITS: dict[str, Split] = {_TRAIN: "train", _TEST: "test"}
_FOLDS = 10
_SPLIT_LAYOUT = (
    f"{_TRAIN}/Mayo {{0,1,2,3}}/UC_patient_PATIENT_NUMBER.bmp",
    f"{_TEST}/Mayo {{0,1,2,3}}/UC_patient_PATIENT_NUMBER.bmp",
    f"[cross_validation_folds_train_val_info/fold_{{0,…,{_FOLDS - 1}}}/{{train,val}}.json]",
)
_PATIENT_LAYOUT = ("patient_based_classified_images/PATIENT/Mayo {0,1,2,3}/UC_patient_PATIENT_NUMBER.bmp",)

_SCORE = re.compile(r"\s*mayo[\s_-]*(\d+)\s*", re.IGNORECASE)
_IMAGE = re.compile(r"UC_patient_(\d+)_\d+\.bmp", re.IGNORECASE)
_LEVELS = 3
"""At most this many folders are around those of a layout."""


def open_limuc(config: DataConfig) -> Dataset:
    """Open LIMUC at `config.path`, or in data/limuc.

    If both layouts are there, the one with the published test split is used. Validation is carved from train by
    patient, and so is test in the layout by patient.

    Raises:
        DataError: it is not there, a part is missing or there twice, a file or folder does not have its published
            name, a patient is in two splits, or the published folds do not fit the images.
    """
    root = data_folder(CARD.name, config)
    folders = list(folders_within(root, _LEVELS))
    parts = {part: [each for each in folders if _is_part(part, each)] for part in _SPLITS}
    by_patient = [each for each in folders if _patients(each)]
    folds = [each for each in folders if any(each.glob("fold_*/*.json"))]
    found = _LimucImages(root)
    if any(parts.values()):
        for part, places in parts.items():
            if not places:
                raise not_found(f"{part} of {CARD.title}", root, (_SPLIT_LAYOUT,), CARD.download)
            found.add(_only(places, part), _SPLITS[part])
        found.notes += [f"{each.name} is not used: the published splits are beside it" for each in by_patient]
    elif by_patient:
        found.add_patients(_only(by_patient, "the layout by patient"))
        found.notes += [f"{each.name} is not used: its folds are those of {_TRAIN}" for each in folds]
    if not found.items:
        raise not_found(CARD.title, root, (_SPLIT_LAYOUT, _PATIENT_LAYOUT), CARD.download)
    assembled = assemble(found.items, root, CARD.classes)
    read = _read_folds(_only(folds, "the published folds"), found) if folds and any(parts.values()) else ()
    return Dataset(
        CARD,
        assembled.records,
        FolderSource(root),
        notes=found.all_notes(),
        warnings=found.all_warnings(),
        missing=assembled.missing,
        folds=read,
    )


def _only(places: Sequence[Path], what: str) -> Path:
    if len(places) > 1:
        raise DataError(
            f"{what} of {CARD.title} was found {len(places)} times:\n{tree([str(each) for each in places])}\n"
            "Move the copies elsewhere, or choose one: --data PATH"
        )
    return places[0]


def _is_part(part: str, folder: Path) -> bool:
    """Archives may be unpacked as PART/PART: only the inner folder holds scores."""
    return _normalised(folder.name) == part and bool(_scores(folder))


def _normalised(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().casefold())


def _patients(folder: Path) -> list[Path]:
    """Folders of patients in `folder`."""
    return [each for each in subfolders(folder) if each.name.isdecimal() and _scores(each)]


def _scores(folder: Path) -> list[tuple[str, Path]]:
    """Class and place of the folders in `folder` that are called Mayo 0 to Mayo 3, in any case and spacing."""
    found = []
    for each in subfolders(folder):
        if match := _SCORE.fullmatch(each.name):
            found.append((_class(match[1], str(each)), each))
    return found


def _class(score: str, where: str) -> str:
    name = f"Mayo {int(score)}"
    if name not in CARD.classes:
        raise DataError(
            f"{where}: there is no Mayo endoscopic score {int(score)}; expected {', '.join(CARD.classes)}"
        )
    return name


def _patient(number: str) -> str:
    return f"patient {int(number)}"


@dataclass
class _LimucImages:
    """The images of a layout, and what else was found."""

    root: Path
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: int = 0
    """Files that are not images of LIMUC."""
    nested: int = 0
    """Images in folders within the class folders."""
    misplaced: list[str] = field(default_factory=list)
    """Images whose name gives another patient than their folder."""

    def add(self, place: Path, split: Split, patient: str | None = None) -> None:
        """Add the images in the score folders of `place`, of `patient` or, if None, of the patient in each name.

        The number in a file's name counts images; it is not a score.
        """
        for label, folder in _scores(place):
            for each in visible_files(folder):
                file = each.relative_to(self.root).as_posix()
                match = _IMAGE.fullmatch(each.name)
                if match:
                    named = _patient(match[1])
                    self.items.append(Item(file, label, split, patient or named))
                    if patient not in (None, named):
                        self.misplaced.append(file)
                elif each.suffix.lower() in IMAGE_SUFFIXES:
                    raise DataError(
                        f"{each} is not named UC_patient_PATIENT_NUMBER.bmp, so its patient is unknown, and images of "
                        "one patient could be in two splits. Rename it, or move it elsewhere."
                    )
                else:
                    self.others += 1
            for below in subfolders(folder):
                self.nested += len(find_images(below, self.root).images)

    def add_patients(self, place: Path) -> None:
        """Add the images of every patient's folder in `place`."""
        patients = _patients(place)
        for patient in patients:
            self.add(patient, "train", _patient(patient.name))
        if unused := [each.name for each in subfolders(place) if each not in patients]:
            self.notes.append(f"folders of no patient are not used: {', '.join(unused)}")

    def all_notes(self) -> tuple[str, ...]:
        """Every note."""
        notes = list(self.notes)
        if self.others:
            notes.append(f"{self.others} files in the class folders are not images of LIMUC and are not used")
        if self.nested:
            within = "in folders within the class folders"
            notes.append(f"{counted(self.nested, f'image {within} is', f'images {within} are')} not used")
        return tuple(notes)

    def all_warnings(self) -> tuple[str, ...]:
        """What may spoil results."""
        if not self.misplaced:
            return ()
        return (
            f"{len(self.misplaced)} images are in the folder of another patient than their name gives; the folder's "
            f"patient is used: {shortened(self.misplaced)}",
        )


def _read_folds(place: Path, found: _LimucImages) -> tuple[frozenset[str], ...]:
    """Validation files of fold_0 to fold_9 in `place`.

    In each fold, train.json and val.json together list all images of train, and no patient is in both. The folds were
    drawn independently: an image is in the validation split of several folds or of none.
    """
    pool = {(item.label, Path(item.file).name): item for item in found.items if item.split == "train"}
    folds = []
    for number in range(_FOLDS):
        fold = place / f"fold_{number}"
        train, validation = (_listed_images(fold / f"{part}.json", pool) for part in ("train", "val"))
        times = Counter([*train, *validation])
        for item in pool.values():
            if times[item] != 1:
                state = f"{times[item]} times"
                raise _fold_error(fold, f"train.json and val.json list {item.file} {state}")
        both = {item.group for item in train} & {item.group for item in validation}
        if both:
            raise _fold_error(
                fold, f"{shortened(sorted(filter(None, both)))} is in both train.json and val.json"
            )
        folds.append(frozenset(item.file for item in validation))
    held = len(frozenset().union(*folds))
    found.notes.append(
        f"the {_FOLDS} published validation folds are available: --data.fold 1/{_FOLDS} is fold_0, and so on. "
        f"They were drawn independently: {held} of {len(pool)} images are in one or more of them, the others in none"
    )
    return tuple(folds)


def _listed_images(file: Path, pool: Mapping[tuple[str, str], Item]) -> list[Item]:
    """The images in a list by class."""
    try:
        listed = TypeAdapter(dict[str, list[str]]).validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise _fold_error(
            file.parent, f"{file.name} cannot be read as {{class: [files]}}: {error}"
        ) from error
    items = []
    for score, names in listed.items():
        match = _SCORE.fullmatch(score)
        if match is None:
            raise _fold_error(
                file.parent, f"{file.name} lists images of {score!r}, which is not a Mayo endoscopic score"
            )
        label = _class(match[1], str(file))
        for name in names:
            if (label, name) not in pool:
                raise _fold_error(
                    file.parent,
                    f"{file.name} lists {label}/{name}, which is not among the {len(pool)} images of {_TRAIN}",
                )
            items.append(pool[label, name])
    return items


def _fold_error(fold: Path, why: str) -> DataError:
    return DataError(
        f"the published fold {fold} does not fit the images: {why}. Were all archives unpacked completely? To "
        f"ignore the published folds, move {fold.parent} elsewhere."
    )


ENTRY = Entry(
    open_limuc,
    CARD,
    counts=({"train": 9590, "test": 1686}, {"all": 11276}),
)
