"""The sets from which captions of backgrounds are combined: one YAML file of `prompts/aga/` for each domain.

The AGA paper, section 4.2, calls them modality sets: an instruction fixes how the picture is taken, a setting where,
a time when (or, where pictures have no hour, in what light). Each entry is a phrase that goes on from the one before
it: 'a macro photograph of' + 'a mossy stone' + 'at dusk'.
"""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from tools.errors import ConfigurationError

if TYPE_CHECKING:
    from tools.datasets.types import Modality

_SUFFIX = ".yaml"
_Phrase = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ModalitySet(BaseModel):
    """Instructions, settings and times of one domain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    modalities: tuple[str, ...]
    """Kinds of images (`tools.datasets.types.Modality`) for which it is the default."""
    instructions: tuple[_Phrase, ...]
    settings: tuple[_Phrase, ...]
    times: tuple[_Phrase, ...]

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return len(self.instructions) * len(self.settings) * len(self.times)


def modality_set(name: str) -> ModalitySet:
    """The set called `name`, such as 'birds'.

    Raises:
        ConfigurationError: there is none of that name.
    """
    try:
        return _modality_sets()[name]
    except KeyError:
        raise ConfigurationError(
            f"there is no modality set {name!r}: choose one of {', '.join(modality_set_names())}"
        ) from None


def modality_set_for(modality: "Modality") -> ModalitySet:
    """The set that suits a kind of images where nothing more is known about them."""
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
