"""`hf:OWNER/NAME`: data sets of the Hugging Face hub, from disk.

Opening never downloads: `agent datasets get hf:OWNER/NAME` saves a set in data/hf. `--data PATH` may be any folder
that `save_to_disk` of the `datasets` library wrote, or that its `load_dataset` reads (class folders, parquet files).

    hf:OWNER/NAME               the repository
    hf:OWNER/NAME/CONFIG        one of its configurations
    hf:…#image=COL,label=COL    its columns, where there are several candidates
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tools.datasets.assemble import Item, assemble
from tools.datasets.config import DataConfig
from tools.datasets.folder.walk import SPLIT_SPELLINGS, split_named
from tools.datasets.location import DATA, not_found, shortened
from tools.datasets.types import Card, Dataset
from tools.errors import ConfigurationError, DataError
from tools.text import counted

_ROLES = ("image", "label")


@dataclass(frozen=True)
class HubName:
    """What follows `hf:`."""

    repository: str
    config: str | None
    columns: dict[str, str]
    """'image' and 'label' → the column, if the user names it."""

    @property
    def folder(self) -> str:
        """Name of its folder in data/hf."""
        return "--".join([*self.repository.split("/"), *([self.config] if self.config else [])])


@dataclass(frozen=True)
class ArrowSource:
    """Images 'SPLIT/ROW' of a saved set; pickles as its path, and is mapped in every process that reads."""

    folder: Path
    image: str
    """The column."""

    def read(self, file: str) -> bytes:
        """The bytes as they were encoded when the set was made.

        Raises:
            OSError: the set refers to a file that is not there.
        """
        split, _, row = file.rpartition("/")
        cell = _pictures(self.folder, self.image)[split][int(row)][self.image]
        if cell is None:
            return b""
        return cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()

    def where(self, file: str) -> str:
        """A description: the folder, the split and the row."""
        split, _, row = file.rpartition("/")
        return f"{self.folder}, split {split!r}, row {int(row)}"


def open_hub(config: DataConfig) -> Dataset:
    """Open a saved set at `config.path`, or in data/hf.

    Raises:
        ConfigurationError: the name is malformed, or the columns are ambiguous.
        DataError: it is not there, cannot be read, or has no image or class column.
    """
    name = hub_name((config.dataset or "").partition(":")[2])
    folder = (config.path or DATA / "hf" / name.folder).absolute()
    full_name = f"hf:{name.repository}" + (f"/{name.config}" if name.config else "")
    if not folder.is_dir() or not any(folder.iterdir()):
        layouts = (
            ("dataset_dict.json, SPLIT/*.arrow       as save_to_disk writes them",),
            ("*.parquet, or {train,test}/CLASS/*.jpg as load_dataset reads them",),
        )
        raise not_found(full_name, folder, layouts, f"agent datasets get {full_name}")
    splits = _splits(folder)
    image, label = _columns(splits, name, folder)
    classes: tuple[str, ...] = tuple(next(iter(splits.values())).features[label].names)
    items: list[Item] = []
    notes: list[str] = []
    for title, rows in splits.items():
        split = split_named(title) if len(splits) > 1 or split_named(title) else "train"
        labels = list(rows[label])
        if split is None:
            notes.append(f"the split {title!r} is not used ({counted(len(labels), 'image')})")
            continue
        items += [
            Item(f"{title}/{row:07d}", classes[number], split)
            for row, number in enumerate(labels)
            if number is not None and number >= 0
        ]
        if unlabelled := sum(number is None or number < 0 for number in labels):
            what = counted(unlabelled, "image without a label is", "images without a label are")
            notes.append(f"{what} not used, of the split {title!r}")
    if not items:
        raise DataError(
            f"{folder} has no labelled image in a split named {SPLIT_SPELLINGS}; it has the splits "
            f"{', '.join(splits)}"
        )
    found = {item.label for item in items}
    if unused := [each for each in classes if each not in found]:
        what = counted(len(unused), "class without an image is", "classes without an image are")
        notes.append(f"{what} omitted: {shortened(unused)}")
    present = tuple(each for each in classes if each in found)
    assembled = assemble(items, folder, present, gaps=True)
    return Dataset(
        _card(full_name, present, next(iter(splits.values())).info),
        assembled.records,
        ArrowSource(folder, image),
        notes=tuple(notes),
        missing=assembled.missing,
    )


def hub_name(text: str) -> HubName:
    """Parse what follows `hf:`.

    Raises:
        ConfigurationError: it has none of the known forms.
    """
    path, hash_sign, options = text.partition("#")
    parts = path.split("/")
    columns: dict[str, str] = {}
    for option in options.split(",") if hash_sign else []:
        role, _, column = option.partition("=")
        columns[role] = column
    if not all(parts) or len(parts) > 3 or any(part in (".", "..") for part in parts):
        raise ConfigurationError(f"hf:{text}: expected hf:OWNER/NAME or hf:OWNER/NAME/CONFIG")
    if columns.keys() - set(_ROLES) or not all(columns.values()):
        raise ConfigurationError(
            f"hf:{text}: after #, expected image=COLUMN or label=COLUMN, or both separated by a comma"
        )
    return HubName("/".join(parts[:2]), parts[2] if len(parts) == 3 else None, columns)


@lru_cache(maxsize=2)
def _splits(folder: Path) -> dict[str, Any]:
    """Split → rows, mapped from disk."""
    import datasets

    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            loaded = datasets.load_from_disk(str(folder))
        else:
            loaded = datasets.load_dataset(str(folder))
    except Exception as error:  # whatever the library's readers of many formats raise
        raise DataError(f"{folder} cannot be read as a Hugging Face data set: {error}") from error
    if isinstance(loaded, datasets.DatasetDict):
        return {str(split): rows for split, rows in loaded.items()}
    return {"train": loaded}


@lru_cache(maxsize=2)
def _pictures(folder: Path, image: str) -> dict[str, Any]:
    """Split → rows with the image column only, not decoded."""
    import datasets

    undecoded = datasets.Image(decode=False)
    return {
        split: rows.select_columns([image]).cast_column(image, undecoded)
        for split, rows in _splits(folder).items()
    }


def _columns(splits: dict[str, Any], name: HubName, folder: Path) -> tuple[str, str]:
    """The image and the class column."""
    import datasets

    features = next(iter(splits.values())).features
    chosen = []
    for role, kind in (("image", datasets.Image), ("label", datasets.ClassLabel)):
        able = [column for column, feature in features.items() if isinstance(feature, kind)]
        what = kind.__name__
        asked = name.columns.get(role)
        if asked is not None and asked not in able:
            raise ConfigurationError(
                f"{folder} has no {what} column {asked!r}; it has {', '.join(able) or 'none'} "
                f"(all columns: {', '.join(features)})"
            )
        if not able:
            raise DataError(
                f"{folder} has no {what} column (its columns: {', '.join(features)}), so it is not a data set "
                "for image classification; cast_column of the datasets library can make such a column"
            )
        if asked is None and len(able) > 1:
            raise ConfigurationError(
                f"{folder} has several {what} columns ({', '.join(able)}): choose one, as in "
                f"hf:{name.repository}#{role}={able[0]}"
            )
        chosen.append(asked or able[0])
    return chosen[0], chosen[1]


def _card(full_name: str, classes: tuple[str, ...], info: Any) -> Card:
    return Card(
        name=full_name,
        title=full_name.removeprefix("hf:"),
        modality="unknown",
        description=(
            f"Images of the data set {full_name.removeprefix('hf:')} with one class each, one of {len(classes)}. Only "
            "the names of the classes are known: what decides the class, and which changes keep it, follows from the "
            "names and the images."
        ),
        classes=classes,
        licence=info.license or "unknown",
        citation=(info.citation or "").strip()
        or f"https://huggingface.co/datasets/{full_name.removeprefix('hf:')}",
        download=f"agent datasets get {full_name}",
        warnings=(
            "no groups (patients, sources) are known: images that belong together may be in two splits",
        ),
    )
