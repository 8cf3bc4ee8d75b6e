"""`limuc`: LIMUC, endoscopic images of ulcerative colitis, four ordered Mayo endoscopic scores.

Two layouts of one Zenodo record: by patient, without splits; and by score, with the published test split. Beside the
latter may lie the ten published validation folds, from the authors' repository. The archives may be unpacked one
folder or more below where they should be.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.folder.walk import (
    IMAGE_SUFFIXES,
    find_images,
    folders_within,
    subfolders,
    tree,
    visible_files,
)
from tools.datasets.known.common import missing, place_of
from tools.datasets.types import Card, Dataset, Entry, Split
from tools.errors import DataError

CARD = Card(
    name="limuc",
    title="LIMUC (Labeled Images for Ulcerative Colitis)",
    modality="endoscopy",
    description=(
        "Still images of colonoscopies, 352 x 288 pixels, of 564 patients with ulcerative colitis at one hospital: the "
        "wet, pink to red lining of the colon fills the view, seen close up or along the dark tunnel of the gut, with "
        "folds, glare of the lamp, bubbles, mucus and remains of stool. Around the view is a black frame with black "
        "bars over the text of the device; they mean nothing. The label is the Mayo endoscopic score that two "
        "gastroenterologists gave (a third where they differed): 0 normal or healed (pale, shiny, a clear net of fine "
        "vessels), 1 mild (redder, the net of vessels fainter, slightly friable), 2 moderate (marked redness, no "
        "vessels to be seen, friable, erosions), 3 severe (ulcers, bleeding by itself). The scores are ordered, more "
        "than half of the images are score 0, and neighbouring scores are hard to tell apart. What decides is how red "
        "the lining is, the fine net of vessels, and small erosions, ulcers and spots of blood: hue and saturation "
        "shifts, greyscale, inversion, solarising, posterising and equalising change the redness itself; strong blur, "
        "noise, downscaling and JPEG remove the vessels, which turns 0 into the look of 1 or 2; large erasing can "
        "remove the only ulcer. The endoscope has no preferred orientation: any rotation and flip keeps the score. "
        "Natural variation: distance and angle (scale, shift, mild perspective), uneven light, brightness, gamma, "
        "slight differences in white balance, slight blur of motion."
    ),
    classes=("Mayo 0", "Mayo 1", "Mayo 2", "Mayo 3"),
    ordinal=True,
    metric="validation_macro_f1",
    image_size=224,
    licence="CC BY 4.0 (Zenodo record 5827695)",
    citation=(
        "G. Polat, H. T. Kani, I. Ergenc, Y. Ozen Alahdab, A. Temizel, O. Atug: Labeled Images for Ulcerative Colitis "
        "(LIMUC) Dataset. Zenodo, 2022. https://doi.org/10.5281/zenodo.5827695; the same: Improving the Computer-Aided "
        "Estimation of Ulcerative Colitis Severity According to Mayo Endoscopic Score by Using Regression-Based Deep "
        "Learning. Inflammatory Bowel Diseases 29(9), 2023. https://doi.org/10.1093/ibd/izac226"
    ),
    download=(
        "mkdir -p data/limuc && cd data/limuc\n"
        "for part in train_and_validation_sets test_set; do\n"
        '  curl -fL -o "$part.zip" "https://zenodo.org/records/5827695/files/$part.zip?download=1"\n'
        '  unzip -q "$part.zip" -d "$part"\n'
        "done\n"
        "and, for the ten published validation folds:\n"
        "git clone --depth 1 https://github.com/GorkemP/labeled-images-for-ulcerative-colitis folds\n"
        "or, instead of both parts, patient_based_classified_images in the same way (no published splits)"
    ),
    warnings=(
        "scores are ordered and unbalanced: read quadratic weighted kappa and macro F1 beside accuracy",
        "all images are of one hospital: nothing is known about other endoscopes",
    ),
    superclasses=("",) * 4,  # the lining fills the view: there is no subject before a background
)

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
"""So many folders may lie around the ones of a layout."""
_NAMED = 5


def open_limuc(config: DataConfig) -> Dataset:
    """Open LIMUC at `config.path`, or in data/limuc.

    Where both layouts are there, the one with the published test split is used. Validation is carved from train (by
    patient), test as well in the layout by patient.

    Raises:
        DataError: it is not there, a part is missing or there twice, a file or a folder is named otherwise than
            published, a patient is in two splits, or the published folds do not fit the images.
    """
    root = place_of(CARD.name, config)
    folders = list(folders_within(root, _LEVELS))
    parts = {part: [each for each in folders if _is(part, each)] for part in _SPLITS}
    by_patient = [each for each in folders if _patients(each)]
    folds = [each for each in folders if any(each.glob("fold_*/*.json"))]
    found = _Found(root)
    if any(parts.values()):
        for part, places in parts.items():
            if not places:
                raise missing(f"{part} of {CARD.title}", root, (_SPLIT_LAYOUT,), CARD.download)
            found.add(_only(places, part), _SPLITS[part])
        found.notes += [f"{each.name} is not used: the published splits are beside it" for each in by_patient]
    elif by_patient:
        found.add_patients(_only(by_patient, "the layout by patient"))
        found.notes += [f"{each.name} is not used: its folds are those of {_TRAIN}" for each in folds]
    if not found.items:
        raise missing(CARD.title, root, (_SPLIT_LAYOUT, _PATIENT_LAYOUT), CARD.download)
    assembled = assemble(found.items, root, CARD.classes)
    read = _read_folds(_only(folds, "the published folds"), found) if folds and any(parts.values()) else ()
    return Dataset(
        CARD,
        assembled.records,
        FolderSource(root),
        notes=found.all_notes(),
        missing=assembled.missing,
        folds=read,
    )


def _only(places: Sequence[Path], what: str) -> Path:
    if len(places) > 1:
        raise DataError(
            f"{what} of {CARD.title} was found {len(places)} times:\n{tree([str(each) for each in places])}\n"
            "Move the copies away, or say which folder is meant: --data PATH"
        )
    return places[0]


def _is(part: str, folder: Path) -> bool:
    """Archives may be unpacked as PART/PART: only the inner one holds scores."""
    return _spelling(folder.name) == part and bool(_scores(folder))


def _spelling(name: str) -> str:
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
class _Found:
    """The images of a layout, and what was found beside them."""

    root: Path
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    others: int = 0
    deeper: int = 0
    strangers: list[str] = field(default_factory=list)
    """Images whose name says another patient than their folder."""

    def add(self, place: Path, split: Split, patient: str | None = None) -> None:
        """The images in the score folders of `place`; each is of the patient in its name where None is given.

        The number in a file's name counts images and is no score.
        """
        for label, folder in _scores(place):
            for each in visible_files(folder):
                file = each.relative_to(self.root).as_posix()
                match = _IMAGE.fullmatch(each.name)
                if match:
                    named = _patient(match[1])
                    self.items.append(Item(file, label, split, patient or named))
                    if patient not in (None, named):
                        self.strangers.append(file)
                elif each.suffix.lower() in IMAGE_SUFFIXES:
                    raise DataError(
                        f"{each} is not named UC_patient_PATIENT_NUMBER.bmp, so its patient is not known, and images "
                        "of one patient could be in two splits. Rename it, or move it away."
                    )
                else:
                    self.others += 1
            for below in subfolders(folder):
                self.deeper += len(find_images(below, self.root).images)

    def add_patients(self, place: Path) -> None:
        """The images of every patient's folder in `place`."""
        patients = _patients(place)
        for patient in patients:
            self.add(patient, "train", _patient(patient.name))
        if aside := [each.name for each in subfolders(place) if each not in patients]:
            self.notes.append(f"folders that are no patient's are not used: {', '.join(aside)}")

    def all_notes(self) -> tuple[str, ...]:
        """Every note."""
        notes = list(self.notes)
        if self.others:
            notes.append(f"{self.others} files in the class folders are no images of LIMUC and are not used")
        if self.deeper:
            notes.append(f"{self.deeper} images in folders within the class folders are not used")
        if self.strangers:
            notes.append(
                f"warning: {len(self.strangers)} images lie in the folder of another patient than their name says and "
                f"are taken as of that folder's, such as {', '.join(self.strangers[:_NAMED])}"
            )
        return tuple(notes)


def _read_folds(place: Path, found: _Found) -> tuple[frozenset[str], ...]:
    """Validation files of fold_0 to fold_9 in `place`.

    In each fold, train.json and val.json together list all images of train, and no patient is in both. The folds were
    drawn independently of each other: an image is in the validation of several or of none.
    """
    pool = {(item.label, Path(item.file).name): item for item in found.items if item.split == "train"}
    folds = []
    for number in range(_FOLDS):
        fold = place / f"fold_{number}"
        train, validation = (_listed(fold / f"{part}.json", pool) for part in ("train", "val"))
        times = Counter([*train, *validation])
        for item in pool.values():
            if times[item] != 1:
                state = "in neither" if not times[item] else f"{times[item]} times"
                raise _unfit(fold, f"{item.file} is {state} of the images that train.json and val.json list")
        both = {item.group for item in train} & {item.group for item in validation}
        if both:
            raise _unfit(
                fold, f"{', '.join(sorted(filter(None, both))[:_NAMED])} is in train.json and val.json"
            )
        folds.append(frozenset(item.file for item in validation))
    held = len(frozenset().union(*folds))
    found.notes.append(
        f"the {_FOLDS} published validation folds are at hand: --data.fold 1/{_FOLDS} is fold_0, and so on. They "
        f"were drawn independently: {held} of {len(pool)} images are in one or more of them, the others in none"
    )
    return tuple(folds)


def _listed(file: Path, pool: Mapping[tuple[str, str], Item]) -> list[Item]:
    """Images that `file` lists by class."""
    try:
        listed = TypeAdapter(dict[str, list[str]]).validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise _unfit(file.parent, f"{file.name} cannot be read as {{class: [files]}}: {error}") from error
    items = []
    for score, names in listed.items():
        match = _SCORE.fullmatch(score)
        if match is None:
            raise _unfit(
                file.parent, f"{file.name} lists images of {score!r}, which is no Mayo endoscopic score"
            )
        label = _class(match[1], str(file))
        for name in names:
            if (label, name) not in pool:
                raise _unfit(
                    file.parent,
                    f"{file.name} lists {label}/{name}, which is not among the {len(pool)} images of {_TRAIN}",
                )
            items.append(pool[label, name])
    return items


def _unfit(fold: Path, why: str) -> DataError:
    return DataError(
        f"the published fold {fold} does not fit the images: {why}. Are all archives unpacked completely? To do "
        f"without the published folds, move {fold.parent} away."
    )


ENTRY = Entry(
    open_limuc,
    CARD,
    counts=({"train": 9590, "test": 1686}, {"all": 11276}),
)
