"""Synthetic images in a study: when they are asked for, who writes captions, and what is closed afterwards."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from agent.images.synthesis import Synthesis, _held
from agent.images.whether import backgrounds_of
from agent.llm.prices import cost
from agent.llm.records import usage
from agent.memory.proposal import Proposal
from agent.settings.config import LLMConfig, SearchConfig, StudyConfig
from tests.tools.aga.insects import PHOTOS, copy_insects
from tools.aga.config import AgaConfig, PromptSet
from tools.aga.detectors.simple import GivenBoxes
from tools.aga.making.preview_rows import preview_of
from tools.aga.making.source_images import training_sources
from tools.aga.types import Box
from tools.datasets.cache.build import build_cache
from tools.datasets.cache.read import CachedDataset
from tools.datasets.config import DataConfig
from tools.datasets.folder.source import FolderSource
from tools.datasets.registry import open_dataset
from tools.datasets.types import Card, Corners, Dataset, Record, Split
from tools.errors import AugurError


def card(modality: Any) -> Card:
    return Card(name="x", title="x", modality=modality, description="", classes=("a", "b"))


def test_auto_asks_for_backgrounds_where_there_is_a_subject_before_one():
    for modality, mode in (
        ("natural", "optional"),
        ("digits", "optional"),
        ("fundus", "off"),
        ("unknown", "off"),
    ):
        found, why = backgrounds_of(StudyConfig(), card(modality))
        assert found == mode
        assert "auto" in why
        assert modality in why


def test_a_mode_that_is_set_is_used():
    config = StudyConfig(search=SearchConfig(backgrounds="always"))
    assert backgrounds_of(config, card("fundus")) == ("always", "always")


def test_captions_are_written_by_their_own_model_on_its_own_server_where_one_is_named():
    llm = LLMConfig(model="openai:gpt-5", base_url="http://gateway/v1")
    plain = StudyConfig(llm=llm)
    assert plain.caption_llm == llm
    local = StudyConfig(llm=llm, aga=AgaConfig(llm="openai:llama", llm_base_url="http://localhost:8000/v1"))
    assert (local.caption_llm.model, local.caption_llm.base_url) == (
        "openai:llama",
        "http://localhost:8000/v1",
    )
    hosted = StudyConfig(llm=llm, aga=AgaConfig(llm="google_genai:gemini-flash-latest"))
    assert hosted.caption_llm.base_url is None


def test_captions_do_not_cost_what_the_model_of_the_study_costs():
    llm = LLMConfig(model="openai:qwen", base_url="http://localhost:8000/v1", input_price=0, output_price=0)
    used = usage(1_000_000, 1_000_000)
    assert cost(
        StudyConfig(llm=llm, aga=AgaConfig(llm="openai:gpt-5-mini")).caption_llm, used
    ) == pytest.approx(2.25)
    unknown = AgaConfig(llm="openai:qwen", llm_base_url="http://gateway/v1")
    assert cost(StudyConfig(llm=llm, aga=unknown).caption_llm, used) is None
    same = AgaConfig(llm=llm.model, llm_base_url=llm.base_url)
    assert cost(StudyConfig(llm=llm, aga=same).caption_llm, used) == 0


def test_processes_of_a_maker_are_closed_after_use():
    closed = []
    maker = SimpleNamespace(close=lambda: closed.append("maker"))
    others = {name: SimpleNamespace() for name in ("detector", "segmenter", "captioner")}
    tools = cast(Any, SimpleNamespace(**others, maker=maker))
    with ExitStack() as stack:
        assert _held(tools, stack) is tools
        assert closed == []
    assert closed == ["maker"]


# what a data set says of its subjects


def birds(root: Path) -> Dataset:
    """Bright squares on dark ground as given boxes and masks tell, and a class of empty frames; 96 px."""
    draw = np.random.default_rng(0)
    records, boxes, masks = [], {}, {}
    for number in range(24):
        split: Split = ("train", "train", "train", "train", "validation", "test")[number // 2 % 6]  # type: ignore[assignment]
        file, label = f"{number:02d}.png", number % 2
        pixels = draw.integers(0, 60, (96, 96, 3), dtype=np.uint8)
        mask = np.zeros((96, 96), np.uint8)
        if label == 0:
            top, left = draw.integers(4, 40, 2).tolist()
            pixels[top : top + 40, left : left + 40] = 255
            mask[top : top + 40, left : left + 40] = 255
            boxes[file] = Corners(left, top, left + 40, top + 40)
        Image.fromarray(pixels).save(root / file)
        Image.fromarray(mask).save(root / f"{file}.mask.png")
        masks[file] = root / f"{file}.mask.png"
        records.append(Record(file, label, split, file))
    made = replace(card("natural"), classes=("bird", "empty"), superclasses=("bird", ""))
    return Dataset(made, tuple(records), FolderSource(root), boxes=boxes, masks=masks)


MEADOWS = PromptSet(
    subject="animal",
    scale=1.0,
    instructions=["A photograph of"],
    settings=["a meadow", "a shore", "a forest"],
    times=["at noon", "at dusk"],
    avoid=[],
    flip_probability=0.0,
    max_rotation=0.0,
    min_scale=1.0,
    max_scale=1.0,
)


def synthesis_of(dataset: Dataset, folder: Path) -> tuple[Synthesis, CachedDataset]:
    """With the boxes and masks of the data set."""
    aga = AgaConfig.model_validate(
        {
            "detector": {"kind": "dataset"},
            "segmenter": {"kind": "dataset"},
            # Smaller than the images, so that boxes are in other pixels than the subjects are cut from.
            "compose": {"max_side": 64, "size": "training"},
        }
    )
    config = StudyConfig(runs_dir=folder / "runs", aga=aga)
    data = build_cache(dataset, DataConfig(decode_workers=1), 32, folder / "cache")
    return Synthesis(config, dataset, data, lambda *_: None, lambda _: lambda *_: ""), data


def test_boxes_masks_and_frames_without_a_subject_are_the_data_sets(tmp_path):
    synthesis, data = synthesis_of(birds(tmp_path), tmp_path)
    made = synthesis.set_of(MEADOWS)
    assert set(np.load(made.folder / "labels.npy").tolist()) == {0}, "none is made from empty frames"
    train = data.split("train")
    pixels, sources = np.load(made.folder / "pixels.npy"), np.load(made.folder / "sources.npy")
    for composite, source in zip(pixels, sources, strict=True):
        subject = train.images[source].min(axis=-1) > 250
        inside = np.asarray(ndimage.binary_erosion(subject, iterations=2), dtype=bool)
        assert inside.sum() > 50
        assert (composite[inside] == train.images[source][inside]).all()
        around = ~np.asarray(ndimage.binary_dilation(subject, iterations=2), dtype=bool)
        assert (composite != train.images[source]).any(axis=-1)[around].mean() > 0.8


def test_a_preview_shows_a_few_images_of_those_that_may_be_shown(tmp_path):
    synthesis, data = synthesis_of(birds(tmp_path), tmp_path)
    train = data.split("train")
    with_subject = [file for file, label in zip(train.files, train.labels, strict=True) if label == 0]
    shown = with_subject[::2]
    made, sources = synthesis.preview_of(MEADOWS.model_copy(update={"scale": 10.0}), set(shown))
    assert sorted(sources.file(row) for row in range(len(sources))) == sorted(shown)
    found = preview_of(made, sources)
    assert len(found.rows) == len(found.composites) == len(found.backgrounds) == len(shown) == 4
    for row in found.rows:
        assert row.label == "bird"
        assert any((row.real == train.images[train.files.index(file)]).all() for file in shown)
        assert (row.real != row.composite).any()
    assert all("a meadow" in v.what or "a shore" in v.what or "a forest" in v.what for v in found.backgrounds)


@pytest.fixture
def insects(tmp_path: Path, shared_data: Path) -> Synthesis:
    """Cut out by what stands out, and kept where they are recognised."""
    config = DataConfig(path=copy_insects(tmp_path / "photos", shared_data), decode_workers=1)
    dataset = open_dataset(config)
    data = build_cache(dataset, config, 32, tmp_path / "cache")
    study = StudyConfig(runs_dir=tmp_path / "runs", data=config)
    return Synthesis(study, dataset, data, lambda *_: None, lambda _: lambda *_: "")


def test_where_cut_outs_have_to_be_recognised_more_photographs_are_looked_at(
    insects: Synthesis, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent.images.synthesis.PREVIEWED", 2)
    monkeypatch.setattr("agent.images.synthesis._SPARE_TO_RECOGNISE", 2.5)
    every = {file for files in PHOTOS.values() for file in files}
    made, sources = insects.preview_of(MEADOWS, {f"train/{c}/{f}" for c, fs in PHOTOS.items() for f in fs})
    assert {Path(sources.file(row)).name for row in range(len(sources))} == every
    assert made.images == 2
    assert made.gates["recognised_share"] == {"passed": 4, "refused": 1}
    insects.take_no_more_sources_than_needed(MEADOWS.model_copy(update={"scale": 0.2}))
    part = insects.set_of(MEADOWS)
    assert part.images == 1
    assert sum(part.gates["recognised"].values()) == 3, "2.5 for an image"


def test_a_preview_is_never_taken_for_the_set_and_is_found_again(tmp_path):
    """Also where it is made of all training images that have a subject, with the prompts of the set itself."""
    synthesis, data = synthesis_of(birds(tmp_path), tmp_path)
    every = set(data.split("train").files)
    first, _ = synthesis.preview_of(MEADOWS, every)
    whole = synthesis.set_of(MEADOWS)
    assert first.key != whole.key
    assert first.images == 8
    assert whole.images == len(data.split("train"))
    again, _ = synthesis_of(birds(tmp_path), tmp_path)[0].preview_of(MEADOWS, every)
    assert again.key == first.key


def test_images_that_are_there_are_taken_and_none_is_made_for_a_model_that_is_taken_away(tmp_path):
    synthesis, _ = synthesis_of(birds(tmp_path), tmp_path)
    proposal = Proposal(hypothesis="", expected_gain=0, policy=[], backgrounds=[MEADOWS])
    with pytest.raises(AugurError, match=r"set of synthetic images \w+ is not in"):
        synthesis.existing(proposal)
    assert not (tmp_path / "runs" / "aga" / "sets").exists()
    made = synthesis.of(proposal)
    again, _ = synthesis_of(birds(tmp_path), tmp_path)
    assert again.existing(proposal) == made


@pytest.mark.parametrize("max_side", [64, 300])
def test_given_boxes_are_in_pixels_of_the_file_whatever_its_size_here(tmp_path, max_side):
    dataset = birds(tmp_path)
    data = build_cache(dataset, DataConfig(decode_workers=1), 128, tmp_path / "cache")
    sources = training_sources(dataset, data, max_side)
    boxes = {file: Box(c.left, c.top, c.right, c.bottom, 1.0) for file, c in dataset.boxes.items()}
    image = next(image for image in sources if image.label == 0)
    ((box,),) = GivenBoxes(boxes).detect([image], "bird")
    bright = np.argwhere(image.pixels.min(axis=-1) > 150)
    seen = [*bright.min(axis=0), *(bright.max(axis=0) + 1)]
    assert [box.top, box.left, box.bottom, box.right] == pytest.approx(seen, abs=1)
