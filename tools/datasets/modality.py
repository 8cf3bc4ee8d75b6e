"""The kind of images of a data set whose card does not say it: a warning, and what the names suggest."""

import re
from collections.abc import Sequence
from dataclasses import replace

from tools.datasets.config import DataConfig
from tools.datasets.types import Dataset, Modality

_HINTS: tuple[tuple[Modality, str], ...] = (
    ("ultrasound", r"ultrasound|ultrasonic|sonograph|sonogram|echocardio|\bbusi\b|\busg?\b"),
    ("fundus", r"fundus|retina|retinopathy|aptos|messidor|eyepacs|glaucoma|\bdr\b|\brop\b"),
    ("dermoscopy", r"dermosc|dermato|\bskin\b|melanoma|\bham10000\b|\bisic\b|\bnev(us|i)\b"),
    ("endoscopy", r"endoscop|colonoscop|gastroscop|kvasir|polyps?\b|limuc|mayo score"),
    (
        "microscopy",
        r"microscop|histolog|histopath|patholog|cytolog|\bcells?\b|blood smear|malaria|breakhis|\bhe stain",
    ),
    ("xray", r"x ?rays?\b|\bcxr\b|radiograph|mammogra|chest|pneumonia|\bdx\b"),
    ("mri", r"\bmri\b|magnetic|\bt[12]w?\b|\bflair\b|brain tumou?r|glioma|meningioma|alzheimer"),
    ("ct", r"\bct\b|tomograph|\bhu\b"),
    ("digits", r"\bdigits?\b|\be?mnist\b|\bsvhn\b|\busps\b"),
)
"""Kind of images → words that people use for such data."""

REMEDY = "--modality KIND, or the field `modality` of a dataset.yaml, which `agent datasets init PATH` writes"


def suggested_modality(names: Sequence[str]) -> Modality | None:
    """The kind of images that names of folders, files and classes suggest; None where none or several do."""
    text = re.sub(r"[\W_]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", " ".join(names))).casefold()
    found: list[Modality] = [modality for modality, pattern in _HINTS if re.search(pattern, text)]
    return found[0] if len(found) == 1 else None


def with_modality(dataset: Dataset, config: DataConfig) -> Dataset:
    """The data set with the kind of images that the settings give, and a warning where it is unknown."""
    card = dataset.card
    if config.modality is not None:
        card = replace(card, modality=config.modality)
    if card.modality != "unknown":
        return replace(dataset, card=card)
    names = [
        card.name,
        card.title,
        *card.classes,
        *(config.path.absolute().parts[-2:] if config.path else ()),
    ]
    likely = suggested_modality(names)
    hint = f" The names suggest {likely}." if likely else ""
    warning = (
        "nobody has said what kind of images these are (modality unknown), so only augmentations that are safe for the "
        f"labels of nearly every kind are allowed.{hint} Say it with {REMEDY}"
    )
    return replace(dataset, card=replace(card, warnings=(*card.warnings, warning)))
