"""Sets of real photographs whose classes ImageNet has: only what is recognised is pasted, and it is looked at once."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.images.set_in_words import describe
from tests.tools.aga.drive_generation import PROMPTS, World, open_world, real_tools, rows
from tests.tools.aga.insects import FLOWER, copy_insects
from tools.aga.gates.recognised import RecognisedGate
from tools.aga.segmenters.u2netp.segmenter import U2NetpSegmenter
from tools.aga.store.sets import GeneratedSet

PROMPT = PROMPTS.model_copy(update={"subject": "insect"})
TOOLS = replace(real_tools(), segmenter=U2NetpSegmenter())


@pytest.fixture(scope="module")
def insects(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> World:
    folder = tmp_path_factory.mktemp("insects")
    copy_insects(folder / "photos", shared_data)
    return open_world(folder)


@pytest.fixture(scope="module")
def made(insects: World) -> GeneratedSet:
    return insects.generate(PROMPT, TOOLS)


def test_a_bee_that_was_cut_out_with_its_flower_is_not_pasted(made: GeneratedSet) -> None:
    by_file = {Path(row["source_file"]).name: row for row in rows(made, "sources")}
    flower = by_file.pop(FLOWER)
    assert (flower["gate_recognised"], flower["gate_recognised_share"], flower["usable"]) == (
        True,
        False,
        False,
    )
    assert "aga.gates.recognised_share" in flower["refused_because"]
    assert [row["usable"] for row in by_file.values()] == [True] * 4
    assert made.gates["recognised_share"] == {"passed": 4, "refused": 1}
    assert FLOWER not in {Path(row["source_file"]).name for row in rows(made)}


def test_a_class_keeps_its_share_where_more_of_its_sources_are_refused(made: GeneratedSet) -> None:
    assert {
        name: (each["training"], each["usable"], each["images"]) for name, each in made.by_class.items()
    } == {
        "ants": (2, 2, 3),
        "bees": (3, 2, 5),
    }
    assert Counter(np.load(made.folder / "labels.npy").tolist()) == {0: 3, 1: 5}
    few = {**made.by_class, "bees": {"training": 130, "usable": 2, "images": 44}}
    few["ants"] = {"training": 130, "usable": 20, "images": 44}
    assert "uneven: all 44 of bees come from 2 usable sources" in describe(replace(made, by_class=few))


def test_a_cut_out_is_looked_at_once_for_all_sets_and_kept_with_them(
    insects: World, made: GeneratedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [file.relative_to(insects.root).as_posix() for file in (insects.root / "cutouts").glob("*/*.json")]
    assert len(kept) == 5
    assert set(kept) < set(json.loads((made.folder / "pieces.json").read_text())["pieces"])

    def look(*_: object) -> None:
        raise AssertionError("looked at again")

    monkeypatch.setattr(RecognisedGate, "look", look)
    again = insects.generate(PROMPT.model_copy(update={"scale": 2.0}), TOOLS, gates={"recognised_share": 0.1})
    assert again.key != made.key
    assert again.gates["recognised_share"] == {"passed": 5, "refused": 0}


def test_nothing_is_asked_where_it_is_off_or_imagenet_has_no_such_class(
    insects: World, made: GeneratedSet, caplog: pytest.LogCaptureFixture
) -> None:
    off = insects.generate(PROMPT, TOOLS, gates={"recognised": 0})
    other = insects.generate(PROMPTS, TOOLS, classes=["gadgets", "gizmos"])
    assert caplog.text == ""
    gadgets = {"classes": ["gadgets", "gizmos"], "gates": {"recognised": 0.2}}
    assert insects.generate(PROMPTS, TOOLS, **gadgets).key == other.key
    insects.generate(PROMPTS.model_copy(update={"scale": 1.0}), TOOLS, **gadgets)
    assert "aga.gates.recognised 0.2 asks nothing" in caplog.text
    assert "recognised" not in off.gates
    assert "recognised" not in other.gates
    assert len({off.key, other.key, made.key}) == 3
    same = insects.generate(PROMPT, TOOLS, gates={"recognised": 0, "recognised_share": 0.5})
    assert same.key == off.key, "a limit of what is not asked changes no image"
    assert insects.generate(PROMPT, TOOLS, gates={"recognised": 0.03}).key == made.key, "that is the default"


def test_a_class_that_imagenet_does_not_have_has_not_passed_but_was_not_checked(insects: World) -> None:
    made = insects.generate(PROMPTS, TOOLS, classes=["ants", "gizmos"])
    assert made.gates["recognised"] == {"passed": 2, "refused": 0, "not_checked": 3}
    assert (
        "recognised: 2 passed, 0 refused, 3 not checked; recognised share: 2 passed, 0 refused"
        in describe(made)
    )
    asked = {row["class"]: row["gate_recognised"] for row in rows(made, "sources")}
    assert asked == {"ants": True, "gizmos": None}
    assert all(row["usable"] for row in rows(made, "sources"))


def test_a_set_is_made_anew_where_another_network_or_other_classes_are_asked(
    insects: World, made: GeneratedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.aga.gates.recognised.NETWORK", "efficientnet-lite0/next")
    assert insects.generate(PROMPT, TOOLS).key != made.key
