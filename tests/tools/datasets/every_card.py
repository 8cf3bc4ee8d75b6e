"""The cards of all data sets that Augur describes: those with a name, and those of the collections."""

from collections.abc import Iterator

from tools.datasets.cards import card_from
from tools.datasets.collections import medmnist_sets, torchvision_sets
from tools.datasets.registry import ENTRIES
from tools.datasets.types import Card


def cards() -> dict[str, Card]:
    """Name → card; classes that only the data tell are replaced by two made ones."""
    return {card.name: card for card in _cards()}


def trained() -> dict[str, Card]:
    """Those that classifiers are trained on: without the sets that only test."""
    return {
        name: card for name, card in cards().items() if name not in ENTRIES or ENTRIES[name].shift_of is None
    }


def _cards() -> Iterator[Card]:
    for entry in ENTRIES.values():
        yield entry.card
    for flag, fields in medmnist_sets.known_sets().items():
        known = {key: value for key, value in fields.items() if key != "origin"}
        yield card_from({**known, "name": f"medmnist:{flag}"})
    for name, known in torchvision_sets.known_sets().items():
        yield card_from({"classes": ["one", "other"], **known.card, "name": f"torchvision:{name}"})
