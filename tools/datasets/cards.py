"""Cards of data sets, from the YAML files that lie beside the code that opens the sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.datasets.types import Card
from tools.errors import DataError
from tools.files import read_yaml
from tools.text import clean, one_line


def read_card(file: Path, **more: Any) -> Card:
    """The card whose fields a YAML file gives (see `card_from`), together with the fields in `more`."""
    return card_from({**read_yaml(file), **more})


def card_from(fields: Mapping[str, Any]) -> Card:
    """A card from plain data: lists become tuples.

    Args:
        fields: those of `Card`. `subject` may stand for `superclasses`: what a detector finds in the images of every
            class, '' where they show no subject.

    Raises:
        DataError: names of classes differ only in characters that cannot be shown.
    """
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    if "subject" in values:
        values["superclasses"] = (values.pop("subject"),) * len(values["classes"])
    shown = tuple(one_line(name) for name in values["classes"])
    if len(set(shown)) < len(set(values["classes"])):
        twice = sorted({name for name in shown if shown.count(name) > 1})
        raise DataError(
            f"{values['name']}: several classes are shown as {', '.join(twice)}, since they differ only in characters "
            "that cannot be shown. Rename them."
        )
    values["classes"] = shown
    for name in ("title", "description"):
        values[name] = clean(values[name])
    return Card(**values)


def read_collection(file: Path) -> dict[str, dict[str, Any]]:
    """The fields of each set of a collection, by its name.

    The file has three parts: `phrases`, each of which {NAME} stands for in a description, an advice or a warning;
    `defaults`, the fields of every set that does not give its own; and `sets`.
    """
    content = read_yaml(file)

    def filled(text: str) -> str:
        for name, phrase in content["phrases"].items():
            text = text.replace(f"{{{name}}}", phrase)
        return text

    return {
        name: {
            **content["defaults"],
            **fields,
            "description": filled(fields["description"]),
            "advice": filled(fields.get("advice", "")),
            "warnings": tuple(map(filled, fields.get("warnings", ()))),
        }
        for name, fields in content["sets"].items()
    }
