"""ALIA: whole training images edited by image-to-image, and its two filters."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from tests.tools.aga.drive_generation import (
    PROMPTS,
    SIZE,
    World,
    contents,
    open_world,
    rows,
    splits,
    write_photos,
)
from tests.tools.aga.tiny_clip import build_tiny_clip
from tests.tools.aga.tiny_sdxl import build_tiny_sdxl
from tools.aga.captions.template import TemplateCaptioner
from tools.aga.config import AgaConfig
from tools.aga.edit_config import EditConfig
from tools.aga.editing.editor import ImageEditor
from tools.aga.gates.clip_gate import ClipGate
from tools.aga.making.chain import EditingTools
from tools.aga.making.edited_set import readable
from tools.aga.making.sheet_rows import sheet_rows
from tools.errors import ConfigurationError

EDIT = EditConfig(strength=0.5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_sdxl(tmp_path_factory.mktemp("tiny") / "sdxl")


def settings(model: Path, **fields: object) -> AgaConfig:
    background = {"kind": "diffusion", "model": str(model), "steps": 4, "devices": "cpu"}
    return AgaConfig.model_validate({"generator": "alia", "background": background, **fields})


@pytest.fixture(scope="module")
def editor(model: Path) -> ImageEditor:
    return ImageEditor(settings(model).background, EDIT)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    write_photos(folder / "photos", splits(3))
    return open_world(folder)


def image(seed: int, height: int = 24, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_an_edit_follows_from_image_prompt_and_seed_whatever_is_edited_beside_it(editor: ImageEditor) -> None:
    first, second = editor.edit([image(1), image(2, 16, 40)], ["a meadow", "a street"], [3, 4])
    assert first.shape == (24, 24, 3)
    assert second.shape == (16, 40, 3), "in the size and the proportions of the image"
    (alone,) = editor.edit([image(1)], ["a meadow"], [3])
    assert np.abs(alone.astype(int) - first).max() <= 2
    for other in (
        ([image(5)], ["a meadow"], [3]),
        ([image(1)], ["by night"], [3]),
        ([image(1)], ["a meadow"], [9]),
    ):
        assert not np.array_equal(editor.edit(*other)[0], first)


@pytest.mark.slow
def test_the_strength_says_how_much_of_the_image_is_left(model: Path) -> None:
    config = settings(model).background
    kept = Image.fromarray(image(1)).resize((16, 16))

    def distance(strength: float) -> float:
        weak = ImageEditor(config, EditConfig(strength=strength)).edit([np.asarray(kept)], ["a meadow"], [3])[
            0
        ]
        strong = ImageEditor(config, EditConfig(strength=1.0)).edit([np.asarray(kept)], ["a meadow"], [3])[0]
        return float(np.abs(weak.astype(int) - strong).mean())

    assert distance(0.25) > distance(0.75) > 0


def test_a_strength_that_leaves_no_step_is_refused_with_both_remedies(model: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"strength 0\.2 of 4 steps.*less than one step.* 0\.25 or 6"
    ):
        ImageEditor(settings(model).background, EditConfig(strength=0.2))


@pytest.mark.parametrize("prompt", ["a photo", "{caption} of {bird}", "{caption} {"])
def test_a_prompt_names_the_caption_and_only_parts_that_there_are(prompt: str) -> None:
    with pytest.raises(ValidationError, match=r"aga\.edit\.prompt"):
        EditConfig(prompt=prompt)


def test_alia_needs_a_diffusion_model() -> None:
    with pytest.raises(ValidationError, match=r"set aga\.background\.kind diffusion"):
        AgaConfig.model_validate({"generator": "alia"})


def test_names_of_classes_are_readable_in_prompts() -> None:
    assert readable("001.Black_footed_Albatross") == "Black footed Albatross"
    assert readable("box turtle") == "box turtle"
    assert readable("007") == "007"


def test_a_set_of_edits_is_trained_on_like_any_other(world: World, editor: ImageEditor, model: Path) -> None:
    given = settings(model, edit={"strength": 0.5}).model_dump()
    tools = EditingTools(TemplateCaptioner(), editor)
    made = world.generate(PROMPTS, tools, **given)
    table = rows(made)
    assert made.images == len(table) == 9
    pixels, labels = np.load(made.folder / "pixels.npy"), np.load(made.folder / "labels.npy")
    assert pixels.shape == (9, SIZE, SIZE, 3)
    assert labels.tolist() == [row["label"] for row in table]
    assert {row["source_file"].split("/")[0] for row in table} == {"train"}
    for row, pixel in zip(table, pixels, strict=True):
        assert np.array_equal(np.asarray(Image.open(made.folder / row["file"])), pixel)
        assert row["accepted"]
        assert row["gate_background_blank"]
        assert (row["mask"], row["background"], row["box_left"]) == (None, None, None)
        assert row["caption"]
    assert json.loads((made.folder / "set.json").read_text())["skipped"] == {"no subject": 0}
    shown = sheet_rows(made, world.root, world.sources(), 4)
    assert len(shown) == 4
    assert shown[0].mask is None

    before = contents(made.folder)
    shutil.rmtree(made.folder)
    again = world.generate(PROMPTS, tools, **given)
    assert contents(again.folder) == before


def test_clip_refuses_what_looks_more_like_anything_than_like_the_subject(tmp_path: Path) -> None:
    judge = ClipGate(str(build_tiny_clip(tmp_path / "clip")), "cpu")
    images = np.stack([image(seed, 32, 32) for seed in range(40)])
    results = judge.judge_as(images, ["bird"] * 39 + [""])
    passed = [result.passed for result in results]
    assert 0 < sum(passed[:39]) < 39, "random weights: some of each"
    for result in results[:39]:
        assert result.value is not None
        assert ("a photo of a bird" in result.reason) != result.passed
    assert results[39].passed
    assert results[39].value is None
    fewer = judge.judge_as(images[:3], ["bird"] * 3)
    assert [each.value for each in fewer] == pytest.approx([each.value for each in results[:3]], abs=1e-4)


def test_a_set_keeps_only_what_the_semantic_judge_lets_through(
    world: World, editor: ImageEditor, model: Path, tmp_path: Path
) -> None:
    tools = EditingTools(
        TemplateCaptioner(), editor, semantic=ClipGate(str(build_tiny_clip(tmp_path / "clip")), "cpu")
    )
    made = world.generate(PROMPTS, tools, **settings(model).model_dump())
    table = rows(made)
    assert made.images == sum(row["accepted"] for row in table)
    for row in table:
        assert row["accepted"] == row["gate_semantic"]
        assert (row["file"] is not None) == row["accepted"]
