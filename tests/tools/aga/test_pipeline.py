"""What a generated set holds, and of which images and backgrounds it is made."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools.aga.drive_generation import (
    PROMPTS,
    SIZE,
    Waves,
    World,
    contents,
    open_world,
    real_tools,
    rows,
    splits,
    write_photos,
)
from tools.aga.making.set_plan import SetPlan
from tools.aga.making.sheet_rows import sheet_rows
from tools.aga.store.pictures import kept_mask
from tools.errors import ConfigurationError, DataError
from tools.training.synthetic import open_synthetic

TRAIN = 6
STILL = PROMPTS.model_copy(
    update={"flip_probability": 0.0, "max_rotation": 0.0, "min_scale": 1.0, "max_scale": 1.0}
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    write_photos(tmp_path / "photos", splits(TRAIN))
    return open_world(tmp_path)


# what a set holds


def test_training_opens_the_set_and_finds_it_made_for_its_images(world: World) -> None:
    made = world.generate()
    opened = open_synthetic(made.folder, made.key)
    train = world.cached.split("train")
    opened.refuse_unless_made_for(train.labels, 2, SIZE)
    assert len(opened) == made.images == 18
    assert opened.pixels.shape == (18, SIZE, SIZE, 3)


def test_the_files_are_the_rows_of_the_pixels(world: World) -> None:
    made = world.generate()
    pixels = np.load(made.folder / "pixels.npy")
    for row, pixel in zip(rows(made), pixels, strict=True):
        assert np.array_equal(np.asarray(Image.open(made.folder / row["file"])), pixel)
        assert contents(made.folder)[row["file"]] == row["sha256"]


@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_a_subject_that_is_not_moved_has_the_training_images_own_pixels(tmp_path: Path, fit: str) -> None:
    write_photos(tmp_path / "photos", splits(3), width=61, height=44)
    world = open_world(tmp_path, fit=fit)
    made = world.generate(STILL, compose={"edge": 0.0, "colours": "source", "workers": 1})
    train = world.cached.split("train")
    composites, sources = np.load(made.folder / "pixels.npy"), np.load(made.folder / "sources.npy")
    for composite, source in zip(composites, sources, strict=True):
        same = (composite == train.images[source]).all(axis=-1)
        bright = train.images[source].min(axis=-1) > 170
        assert bright.sum() > 40
        assert same[bright].all()
        assert same.mean() < 0.6


def test_the_source_size_keeps_the_sources_proportions_in_the_files_only(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", splits(3), width=64, height=48)
    made = open_world(tmp_path).generate(STILL, compose={"size": "source", "max_side": 56, "workers": 1})
    assert {Image.open(made.folder / row["file"]).size for row in rows(made)} == {(56, 42)}
    assert np.load(made.folder / "pixels.npy").shape[1:] == (SIZE, SIZE, 3)


def test_other_formats_are_written_and_training_still_reads_unspoilt_pixels(world: World) -> None:
    lossless = world.generate()
    for kind, ending in (("jpeg", ".jpg"), ("webp", ".webp")):
        made = world.generate(compose={"format": kind, "workers": 1})
        assert {Path(row["file"]).suffix for row in rows(made)} == {ending}
        assert np.array_equal(np.load(made.folder / "pixels.npy"), np.load(lossless.folder / "pixels.npy"))


def test_every_image_says_where_it_comes_from(world: World) -> None:
    made = world.generate()
    train = world.cached.split("train")
    for row in rows(made):
        source = row["training_row"]
        assert row["source_file"] == train.files[source]
        assert row["group"] == train.groups[source]
        assert row["label"] == train.labels[source]
        assert row["class"] == world.dataset.card.classes[row["label"]]
        assert row["split"] == "train"
        kept = kept_mask(world.root / row["mask"])
        assert kept is not None
        assert kept[0].any()
        assert row["detector_score"] == 1
        assert 0 < row["mask_area"] < 1
        assert (world.root / row["background"]).is_file()
        assert row["caption_origin"] == "template"
        assert row["gate_mask_area"] is row["gate_background_blank"] is row["accepted"] is True


def test_a_sheet_shows_only_images_of_the_sources_that_may_be_shown(world: World) -> None:
    made, sources = world.generate(), world.sources()
    shown = {sources.file(2), sources.file(5)}
    found = sheet_rows(made, world.root, sources, 8, shown)
    assert found
    allowed = [sources[2].pixels, sources[5].pixels]
    assert all(any(np.array_equal(each.real, pixels) for pixels in allowed) for each in found)
    assert len(sheet_rows(made, world.root, sources, 8)) == 8
    assert sheet_rows(made, world.root, sources, 8, {"another"}) == []


def test_a_group_is_inherited(tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", splits(4))
    patients = tmp_path / "photos" / "train"
    for number, file in enumerate(sorted(patients.rglob("*.png"))):
        file.rename(file.with_name(f"p{number // 2}_{number}.png"))
    world = open_world(tmp_path)
    train = world.cached.split("train")
    for row in rows(world.generate()):
        assert row["group"] == train.groups[train.files.index(row["source_file"])]


# which images and backgrounds


def test_only_training_images_become_sources(world: World) -> None:
    read: list[str] = []

    class Watched:
        def read(self, file: str) -> bytes:
            read.append(file)
            return world.dataset.source.read(file)

        def where(self, file: str) -> str:
            return world.dataset.source.where(file)

    sources = world.sources()
    sources.source = Watched()
    world.generate(sources=sources)
    assert set(read) == {record.file for record in world.dataset.records if record.split == "train"}


def test_an_image_that_the_cache_left_out_is_no_source(tmp_path: Path) -> None:
    photos = write_photos(tmp_path / "photos", splits(TRAIN))
    (photos / "train" / "dark" / "000.png").write_bytes(b"no image at all")
    (photos / "train" / "light" / "001.png").write_bytes((photos / "test" / "light" / "001.png").read_bytes())
    world = open_world(tmp_path, on_corrupt="skip", on_leak="drop")
    used = {row["source_file"] for row in rows(world.generate())}
    assert len(used) == 2 * TRAIN - 2
    assert not used & {"train/dark/000.png", "train/light/001.png"}


def test_a_source_that_vanished_is_named(world: World) -> None:
    (world.folder / "photos" / "train" / "dark" / "002.png").unlink()
    with pytest.raises(DataError, match=r"002\.png"):
        world.generate()


def test_a_fractional_scale_is_spread_fairly(world: World) -> None:
    for scale, copies in ((0.5, {0: 6, 1: 6}), (1.0, {1: 12}), (2.3, {2: 8, 3: 4})):
        made = world.generate(PROMPTS.model_copy(update={"scale": scale}))
        given = Counter(np.load(made.folder / "sources.npy").tolist())
        assert Counter(given[row] for row in range(12)) == copies


def test_a_scale_that_makes_no_sense_is_refused(world: World) -> None:
    for scale in (0.0, -1.0, 10.1, 0.01):
        with pytest.raises(ConfigurationError, match="scale"):
            world.generate(PROMPTS.model_copy(update={"scale": scale}))


def test_backgrounds_are_used_evenly_and_never_twice_for_one_source() -> None:
    plan = SetPlan(140, [0] * 40, pool=30, seed=3)
    pairs = [(plan[number].place, plan[number].background) for number in range(len(plan))]
    assert len(set(pairs)) == len(pairs) == 140
    used = Counter(background for _, background in pairs)
    assert len(used) == 30
    assert max(used.values()) - min(used.values()) <= 4


@pytest.mark.parametrize("shares", [None, {0: 60, 1: 60}])
def test_the_background_does_not_predict_the_label(shares: dict[int, int] | None) -> None:
    """Chi-square of label against background, over 400 seeds, as if both were drawn independently."""
    labels = np.repeat([0, 1], [60, 20])
    statistics = []
    for seed in range(400):
        plan = SetPlan(160, labels.tolist(), 8, seed, shares)
        table = np.zeros((2, 8))
        for number in range(len(plan)):
            table[labels[plan[number].place], plan[number].background] += 1
        expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
        statistics.append(((table - expected) ** 2 / expected).sum())
    # Seven degrees of freedom; each background being used equally often only lowers it.
    assert np.mean(statistics) < 8
    assert np.mean(np.array(statistics) > 18.5) < 0.02


def test_classes_have_the_shares_of_the_training_set_however_few_sources_can_be_used() -> None:
    plan = SetPlan(103, [0] * 30 + [1] * 2 + [2] * 5, 10, 0, {0: 40, 1: 40, 2: 20, 3: 10})
    copies = Counter(plan[number].place for number in range(len(plan)))
    assert [sum(copies[place] for place in places) for places in (range(30), (30, 31), range(32, 37))] == [
        *(41, 41, 21)
    ]
    for places in (range(30), (30, 31), range(32, 37)):
        own = [copies[place] for place in places]
        assert max(own) - min(own) <= 1
    assert [plan[number].copy for number in range(len(plan))] == [
        copy for place in dict.fromkeys(plan[n].place for n in range(103)) for copy in range(copies[place])
    ]


def test_the_pool_is_no_larger_than_asked_and_shared_by_all_scales(world: World) -> None:
    maker = Waves()
    for scale in (3.0, 0.5, 1.0):
        world.generate(PROMPTS.model_copy(update={"scale": scale}), real_tools(maker), pool=0.5)
    assert len(maker.made) == 6


def test_a_small_set_needs_no_larger_pool_than_it_has_images(world: World) -> None:
    maker = Waves()
    world.generate(PROMPTS.model_copy(update={"scale": 0.25}), real_tools(maker))
    assert len(maker.made) == 3


def test_captions_that_come_again_have_another_picture(world: World) -> None:
    maker = Waves()
    few = {"instructions": ["a photo of"], "settings": ["a meadow", "a shore"], "times": ["at dawn"]}
    world.generate(PROMPTS.model_copy(update=few), real_tools(maker))
    assert Counter(Counter(caption for caption, _ in maker.made).values()) == {6: 2}
    assert len(set(maker.made)) == 12
