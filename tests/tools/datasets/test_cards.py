"""Cards of data sets, as their YAML files give them."""

import re

import pytest

from tests.tools.datasets.every_card import cards, trained
from tests.tools.datasets.images import fill
from tools.datasets.cards import card_from, read_card, read_collection
from tools.datasets.config import DataConfig
from tools.datasets.registry import ENTRIES, open_dataset
from tools.datasets.types import Card

OPERATIONS = re.compile(
    r"\b(flips?|mirroring|rotations?|invers\w+|inverting|solaris\w+|posteris\w+|equalis\w+|erasing|elastic|shears?|hue|"
    r"greyscale|jitter|gamma|blur|downscaling|keeps? the label|augment\w*|must (not )?(change|survive|stay))\b",
    re.IGNORECASE,
)
"""Words by which an advice is known. (A blurred photograph, or one of a field that is shown rotated, is a fact.)"""


def test_a_subject_stands_for_the_superclass_of_every_class(tmp_path):
    file = tmp_path / "card.yaml"
    file.write_text("{name: n, title: t, modality: natural, description: d, classes: [a, b], subject: ''}")
    assert read_card(file).superclasses == ("", "")
    assert read_card(file, classes=["x"], subject="bird").superclasses == ("bird",)


def test_a_collection_fills_in_defaults_and_phrases(tmp_path):
    file = tmp_path / "sets.yaml"
    file.write_text(
        "phrases: {shape: The outline decides.}\n"
        "defaults: {licence: MIT}\n"
        "sets:\n"
        "  one: {description: 'Digits. {shape} {other}', advice: 'Erase little. {shape}', warnings: ['{shape}']}\n"
        "  two: {description: plain, licence: none}\n"
    )
    sets = read_collection(file)
    assert sets["one"]["description"] == "Digits. The outline decides. {other}"
    assert sets["one"]["warnings"] == ("The outline decides.",)
    assert (sets["one"]["advice"], sets["two"]["advice"]) == ("Erase little. The outline decides.", "")
    assert (sets["one"]["licence"], sets["two"]["licence"]) == ("MIT", "none")


def test_every_known_set_has_a_complete_card():
    for name, entry in ENTRIES.items():
        card = entry.card
        assert card.name == name
        assert all((card.description, card.licence, card.citation, card.download)), name
        assert len(card.superclasses) in (0, len(card.classes)), name


@pytest.mark.parametrize("card", cards().values(), ids=cards())
def test_a_description_states_facts_and_leaves_advice_to_its_own_field(card: Card):
    assert OPERATIONS.findall(card.description) == []
    assert OPERATIONS.findall(" ".join(card.warnings)) == []
    assert "{" not in card.description + card.advice + "".join(card.warnings), "a phrase is not filled in"


@pytest.mark.parametrize("card", trained().values(), ids=trained())
def test_every_set_that_classifiers_are_trained_on_has_an_advice(card: Card):
    assert OPERATIONS.search(card.advice)
    assert "The label is" not in card.advice


def test_the_advice_in_a_folder_is_its_owners(tmp_path):
    fill(tmp_path, {"a": 8, "b": 8})
    assert open_dataset(DataConfig(path=tmp_path)).card.advice == ""
    (tmp_path / "dataset.yaml").write_text("description: Knees.\nadvice: The kneecap must stay in sight.\n")
    card = open_dataset(DataConfig(path=tmp_path)).card
    assert (card.description, card.advice) == ("Knees.", "The kneecap must stay in sight.")
    assert card.advice_from == "the owner of the images"


def test_a_card_that_was_kept_before_there_was_advice_can_be_read():
    fields = {"name": "n", "title": "t", "modality": "mri", "description": "d", "classes": ["a", "b"]}
    assert card_from(fields).advice == ""
