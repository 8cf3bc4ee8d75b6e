"""What generation skips, refuses and replaces, and that all of it is counted and said."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.images.set_in_words import describe
from tests.tools.aga.drive_generation import (
    BrightDetector,
    Waves,
    World,
    open_world,
    real_tools,
    rows,
    splits,
    write_photos,
)
from tools.aga.gates.gates import GateResult
from tools.errors import AugurError
from tools.training.synthetic import open_synthetic

TRAIN = 6


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(TRAIN))
    return open_world(tmp_path)


def test_an_image_without_a_subject_is_skipped_and_counted(world: World) -> None:
    photos = world.folder / "photos"
    Image.new("RGB", (48, 40), (20, 20, 20)).save(photos / "train" / "dark" / "000.png")
    world = open_world(world.folder)
    made = world.generate(tools=real_tools(detector=BrightDetector()))
    assert made.skipped == {"no subject": 1}
    assert made.images == round(1.5 * 12)  # the other eleven have more copies
    assert 0 not in np.load(made.folder / "sources.npy")
    assert [row["usable"] for row in rows(made, "sources")] == [False] + [True] * 11


def test_where_nothing_looks_for_the_subject_nobody_says_that_it_was_surely_found(world: World) -> None:
    made = world.generate(detector={"kind": "none"})
    assert made.gates["detector_score"] == {"passed": 0, "refused": 0, "not_checked": 12}
    assert "subject surely found: 12 not checked;" in describe(made)
    looked = world.generate(tools=real_tools(detector=BrightDetector()), detector={"kind": "transformers"})
    assert "subject surely found: 12 passed, 0 refused;" in describe(looked)


def test_a_mask_that_covers_too_much_is_refused_and_counted(world: World) -> None:
    made = world.generate(gates={"max_area": 0.14})
    assert 0 < made.gates["mask_area"]["refused"] < 12
    refused = [row for row in rows(made, "sources") if not row["usable"]]
    assert len(refused) == made.gates["mask_area"]["refused"]
    assert all("aga.gates.max_area" in row["refused_because"] for row in refused)


def test_a_class_of_which_no_source_can_be_used_is_told(world: World) -> None:
    assert world.generate().without == ()
    photos = world.folder / "photos" / "train" / "dark"
    for photo in photos.iterdir():
        Image.new("RGB", (48, 40), (20, 20, len(photo.stem) + int(photo.stem))).save(photo)
    made = open_world(world.folder).generate(tools=real_tools(detector=BrightDetector()))
    assert made.without == ("dark",)
    assert "no image of dark: none of their sources that were looked at could be used" in describe(made)


def test_classes_whose_share_is_far_from_that_of_the_training_images_are_told(world: World) -> None:
    assert "uneven" not in describe(world.generate())
    photos = world.folder / "photos" / "train" / "dark"
    for photo in sorted(photos.iterdir())[1:]:
        Image.new("RGB", (48, 40), (20, 20, len(photo.stem) + int(photo.stem))).save(photo)
    made = open_world(world.folder).generate(tools=real_tools(detector=BrightDetector()))
    images = Counter(np.load(made.folder / "labels.npy").tolist())[0]
    assert made.by_class["dark"] == {"training": 6, "usable": 1, "images": images}
    assert f"uneven: dark is {images / 18:.0%} of the set and 50% of the training images" in describe(made)


def test_without_any_usable_subject_the_error_says_why(world: World) -> None:
    with pytest.raises(AugurError, match="mask_area 12"):
        world.generate(gates={"max_area": 0.02})


def test_where_a_part_of_the_images_was_looked_at_the_error_speaks_of_that_part(world: World) -> None:
    with pytest.raises(AugurError, match=r"none of the 12 training images can .* loosen aga\.gates\.$"):
        world.generate(gates={"max_area": 0.02})
    with pytest.raises(
        AugurError, match=r"none of the 3 training images that were looked at can .* larger scale"
    ):
        world.generate(sources=world.sources().only([0, 1, 2]), wanted=2, gates={"max_area": 0.02})


def test_a_blank_background_is_replaced_by_the_next(world: World) -> None:
    made = world.generate(tools=real_tools(Waves(blank=frozenset({"street"}))))
    assert made.gates["background_blank"]["passed"] == 12
    assert made.gates["background_blank"]["refused"] > 0
    tried = rows(made, "backgrounds")
    assert sum(row["accepted"] for row in tried) == 12
    assert not any("street" in row["caption"] for row in rows(made))


def test_when_every_background_is_blank_the_error_says_so(world: World) -> None:
    with pytest.raises(AugurError, match="background_blank 36"):
        world.generate(tools=real_tools(Waves(blank=frozenset({"a"}))))


def test_a_background_that_shows_the_subject_again_is_refused(world: World) -> None:
    settings = {"detector": {"kind": "transformers"}, "gates": {"redetect_score": 0.9}}
    made = world.generate(tools=real_tools(detector=BrightDetector()), **settings)
    assert made.gates["subject_on_background"]["refused"] > 0
    off = {**settings, "gates": {"redetect": False}}
    assert (
        "subject_on_background"
        not in world.generate(tools=real_tools(detector=BrightDetector()), **off).gates
    )


def test_boxes_that_are_given_are_not_looked_for_on_backgrounds(world: World) -> None:
    detector = BrightDetector()
    world.generate(tools=real_tools(detector=detector), detector={"kind": "none"})
    assert {file.split("/")[0] for file, _ in detector.asked} == {"train"}


class Picky:
    """Refuses what is darker than half of all grey levels on average."""

    identity = ""

    def judge(self, images: np.ndarray, labels: Any) -> list[GateResult]:
        assert len(images) == len(labels)
        means = images.mean(axis=(1, 2, 3)).tolist()
        return [
            GateResult("classifier", mean > 127, mean, "" if mean > 127 else "too dark") for mean in means
        ]


def test_what_the_classifier_refuses_keeps_its_row_and_loses_its_file(world: World) -> None:
    made = world.generate(tools=real_tools(classifier=Picky()))
    refused = made.gates["classifier"]["refused"]
    table = rows(made)
    assert 0 < refused < 18
    assert made.images == 18 - refused == len(open_synthetic(made.folder, made.key))
    assert len(table) == 18
    assert {row["file"] for row in table if row["accepted"]} == {
        file.relative_to(made.folder).as_posix() for file in made.folder.glob("images/*/*")
    }
    assert all(row["refused_because"] == "too dark" for row in table if not row["accepted"])


def test_classes_have_their_own_subjects(world: World) -> None:
    detector = BrightDetector()
    world.generate(
        tools=real_tools(detector=detector),
        superclasses={0: "square", 1: "circle"},
        detector={"kind": "none"},
    )
    assert {subject for file, subject in detector.asked if "/dark/" in file} == {"square"}
    assert {subject for file, subject in detector.asked if "/light/" in file} == {"circle"}


def test_the_configurations_subjects_come_first(world: World) -> None:
    detector = BrightDetector()
    world.generate(
        tools=real_tools(detector=detector), superclasses={0: "square", 1: "circle"}, subjects={"dark": "box"}
    )
    assert {subject for file, subject in detector.asked if "/dark/" in file} == {"box"}
    assert {subject for file, subject in detector.asked if "/light/" in file} == {"circle"}
