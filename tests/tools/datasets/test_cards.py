"""Cards of data sets, as their YAML files give them."""

from tools.datasets.cards import read_card, read_collection
from tools.datasets.registry import ENTRIES


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
        "  one: {description: 'Digits. {shape} {other}', warnings: ['{shape}']}\n"
        "  two: {description: plain, licence: none}\n"
    )
    sets = read_collection(file)
    assert sets["one"]["description"] == "Digits. The outline decides. {other}"
    assert sets["one"]["warnings"] == ("The outline decides.",)
    assert (sets["one"]["licence"], sets["two"]["licence"]) == ("MIT", "none")


def test_every_known_set_has_a_complete_card():
    for name, entry in ENTRIES.items():
        card = entry.card
        assert card.name == name
        assert all((card.description, card.licence, card.citation, card.download)), name
        assert len(card.superclasses) in (0, len(card.classes)), name
