"""The gate that asks a network trained on ImageNet whether a cut-out shows something of the data set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.models._meta import _IMAGENET_CATEGORIES

from benchmarks.mask_quality import truth_of
from tools.aga.config import AgaConfig
from tools.aga.gates.recognised import RecognisedGate, cut_out, known_as, knows_any, share_that_shows
from tools.aga.gates_config import RECOGNISED, GatesConfig
from tools.aga.segmenters.u2netp.segmenter import U2NetpSegmenter
from tools.aga.types import SourceImage


@pytest.fixture(scope="module")
def gate() -> RecognisedGate:
    return RecognisedGate(
        ["ants", "bees", "gadgets"], ["", "", ""], RECOGNISED, GatesConfig().recognised_share
    )


def test_names_are_found_in_the_singular_and_the_plural_and_only_whole() -> None:
    assert len(known_as(["ants"])) == len(known_as(["bee"])) == 1
    assert known_as(["ants", "bees"]) == sorted(known_as(["ant"]) + known_as(["bee"]))
    assert known_as(["box turtles"]) != []
    assert known_as(["gadget"]) == known_as(["guinea fowl"]) == []


@pytest.mark.parametrize(
    ("name", "kinds", "others"),
    [
        ("birds", ["robin", "albatross", "goose"], ["bee eater fish", "bat", "trilobite"]),
        ("fish", ["goldfish", "eel", "puffer"], ["starfish", "crayfish"]),
        ("Dog", ["Chihuahua", "beagle", "Mexican hairless"], ["timber wolf", "prairie chicken", "hot dog"]),
        ("cats", ["tabby", "Siamese cat"], ["lion", "Madagascar cat", "polecat"]),
        ("snake", ["king snake", "sidewinder", "rock python"], ["triceratops", "African chameleon"]),
        ("turtle", ["loggerhead", "terrapin"], ["banded gecko", "axolotl"]),
        ("spiders", ["tarantula", "wolf spider"], ["scorpion", "spider monkey", "tick"]),
        ("insect", ["ladybug", "monarch", "ant"], ["isopod", "starfish", "centipede"]),
        ("monkeys", ["baboon", "squirrel monkey"], ["gorilla", "spider web"]),
        ("bear", ["ice bear", "sloth bear"], ["mongoose", "teddy"]),
        ("car", ["jeep", "sports car", "minivan"], ["passenger car", "freight car", "streetcar"]),
        ("mushrooms", ["agaric", "bolete"], ["ear", "corn"]),
        ("animal", ["tench", "giant panda", "sea cucumber", "puffer"], ["abacus", "daisy"]),
    ],
)
def test_a_name_stands_for_its_kinds(name: str, kinds: list[str], others: list[str]) -> None:
    found = {_IMAGENET_CATEGORIES[number] for number in known_as([name])}
    assert set(kinds) <= found
    assert not found & set(others)


def test_a_superclass_is_asked_for_where_its_class_is_not_known() -> None:
    def asked(classes: list[str], subject: str) -> list[int]:
        return RecognisedGate(classes, [subject] * len(classes), 0.1, 0)._asked

    assert asked(["ants", "bees"], "insect") == known_as(["ant", "bee"])
    assert asked(["Augochlora pura", "bees"], "insect") == known_as(["insect"])
    assert not knows_any(["gadget"], [""])
    assert knows_any(["gadget"], ["bird"])


def test_a_class_that_imagenet_does_not_have_is_not_checked(gate: RecognisedGate) -> None:
    assert [gate.asks(label) for label in range(3)] == [True, True, False]
    (result,) = gate.judge(None)
    assert result.passed
    assert result.value is None


def test_what_is_shown_is_the_subject_alone_on_grey() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[5:10, 10:30] = True
    shown, inside = cut_out(pixels, mask)
    assert shown.shape == (23, 23, 3)
    assert (shown == 0).all(axis=2).sum() == mask.sum()
    assert (shown[0] == 128).all()
    assert ((shown == 0).all(axis=2) == inside).all()


def test_an_insect_is_recognised_and_what_is_around_it_is_not(
    gate: RecognisedGate, shared_data: Path
) -> None:
    file = "train/ants/1095476100_3906d8afde.jpg"
    pixels, mask = np.asarray(Image.open(shared_data / "antsbees2" / file).convert("RGB")), truth_of(file)
    right, share = gate.judge(gate.look(pixels, mask))
    around = gate.judge(gate.look(pixels, ~mask))
    assert right.passed
    assert right.value is not None and around[0].value is not None  # noqa: PT018
    assert right.value > 0.4 > 0.1 > around[0].value
    assert not around[-1].passed
    assert share.gate == "recognised_share"
    corner = np.zeros_like(mask)
    corner[-60:, -60:] = True
    (refused,) = gate.judge(gate.look(pixels, corner & ~mask))
    assert not refused.passed
    assert "aga.gates.recognised" in refused.reason


def test_an_insect_that_is_cut_out_with_its_flower_is_refused_and_alone_it_is_not(
    gate: RecognisedGate, shared_data: Path
) -> None:
    file = "train/bees/187130242_4593a4c610.jpg"
    pixels, bee = np.asarray(Image.open(shared_data / "antsbees2" / file).convert("RGB")), truth_of(file)
    with_flower, box = U2NetpSegmenter().find(SourceImage(0, file, pixels, 1, file, ""))
    assert box is not None
    assert with_flower[bee].mean() > 0.9, "the cut-out holds the bee"
    assert bee.sum() < 0.3 * with_flower.sum(), "and three times as much of other things"
    seen, part = gate.judge(gate.look(pixels, with_flower))
    assert seen.passed, "the bee in it is recognised"
    assert not part.passed
    assert "only a part of the cut-out" in part.reason
    assert "aga.gates.recognised_share" in part.reason
    assert all(each.passed for each in gate.judge(gate.look(pixels, bee)))


def test_the_share_of_a_cut_out_that_shows_something() -> None:
    half = np.zeros((8, 8), np.float32)
    half[:, :4] = 13.0
    inside = np.ones((80, 80), bool)
    assert share_that_shows([half, half], inside) == pytest.approx(0.5, abs=0.02)
    assert share_that_shows([half, np.full_like(half, 6.5)], inside) == pytest.approx(0.5, abs=0.1)
    assert share_that_shows([half, half - 15], inside) == 0.0, "the mean of both counts"
    assert share_that_shows([half], inside & (np.arange(80) < 36)) == 1.0, "only the cut-out counts"


def test_no_share_is_asked_for_where_the_limit_is_0(shared_data: Path) -> None:
    file = "train/ants/1095476100_3906d8afde.jpg"
    pixels, mask = np.asarray(Image.open(shared_data / "antsbees2" / file).convert("RGB")), truth_of(file)
    gate = RecognisedGate(["ants"], [""], 0.1, 0)
    assert [each.gate for each in gate.judge(gate.look(pixels, mask))] == ["recognised"]


def test_it_is_asked_where_nothing_else_says_what_the_subject_is() -> None:
    def limit(**settings: object) -> float:
        return AgaConfig.model_validate(settings).recognised

    assert limit() == RECOGNISED
    assert limit(segmenter={"kind": "grabcut"}) == 0
    assert limit(detector={"kind": "transformers", "checkpoint": "x"}) == 0
    assert limit(detector={"kind": "transformers", "checkpoint": "x"}, gates={"recognised": 0.2}) == 0.2
    assert limit(gates={"recognised": 0}) == 0
    alia = {"generator": "alia", "background": {"kind": "diffusion", "model": "x"}}
    assert limit(**alia) == limit(**alia, gates={"recognised": 0.2}) == 0, "no subject is cut out"
