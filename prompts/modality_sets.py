"""The phrases that captions of backgrounds are combined from: one YAML file in `prompts/aga/` for each domain.

The AGA paper, section 4.2, calls them modality sets: an instruction says how the picture is taken, a setting where, a
time when (or, for pictures without a time of day, in what light). Each phrase continues the one before it: 'a macro
photograph of' + 'a mossy stone' + 'at dusk'.

The entries are part of a proposal's identity: changing one makes trials that used it be trained again.
"""

from functools import cache
from importlib.resources import files
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

_SUFFIX = ".yaml"
_Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ModalitySet(BaseModel):
    """Instructions, settings and times of one domain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    modalities: tuple[str, ...]
    """Kinds of images, such as 'microscopy', for which it is the default."""
    instructions: tuple[_Phrase, ...]
    settings: tuple[_Phrase, ...]
    times: tuple[_Phrase, ...]


def modality_set(name: str) -> ModalitySet:
    """The set called `name`, such as 'birds'.

    Raises:
        ValueError: there is no set of that name; the text lists those that there are.
    """
    if name not in _modality_sets():
        names = ", ".join(modality_set_names())
        raise ValueError(f"there is no modality set {name!r}: choose one of {names}")
    return _modality_sets()[name]


def modality_set_for(modality: str) -> ModalitySet:
    """The default set for a kind of images."""
    return next(found for found in _modality_sets().values() if modality in found.modalities)


def modality_set_names() -> tuple[str, ...]:
    """All names, sorted."""
    return tuple(_modality_sets())


@cache
def _modality_sets() -> dict[str, ModalitySet]:
    import yaml

    found = {}
    for entry in sorted((files("prompts") / "aga").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            content = yaml.safe_load(entry.read_text(encoding="utf-8"))
            found[name] = ModalitySet.model_validate({"name": name, **content})
    return found
