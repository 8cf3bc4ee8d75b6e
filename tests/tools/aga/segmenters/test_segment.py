"""Segmenters: what all of them promise, and how well those without weights cut."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tools.aga.tiny_vision import (
    disc_of,
    save_bert,
    save_tiny_sam,
    save_tiny_sam2,
    save_vit_b,
    source,
    spot,
)
from tools.aga.config import SegmenterConfig
from tools.aga.detectors.simple import CentreDetector
from tools.aga.segmenters.given_masks import GivenMasks, read_mask
from tools.aga.segmenters.make import SEGMENTERS, make_segmenter
from tools.aga.segmenters.sam import SamSegmenter
from tools.aga.segmenters.sam2 import Sam2Segmenter
from tools.aga.types import Box, Segmenter, SourceImage
from tools.errors import ConfigurationError, DataError

KINDS = ("u2netp", "grabcut", "otsu", "dataset", "sam", "sam2")
SIZES = ((60, 80), (600, 500), (1, 1), (9, 300))

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Segmenter]:
    folder = tmp_path_factory.mktemp("segmenters")
    architectures = save_tiny_sam(folder / "sam.pth")
    newer = save_tiny_sam2(folder / "sam2")
    masks: dict[str, Path] = {}
    for number, size in enumerate(SIZES):
        file = folder / f"{number}.png"
        Image.fromarray(disc_of(*size)).save(file)
        masks[f"train/{number:04d}.jpg"] = file

    def build(kind: str) -> Segmenter:
        checkpoint = newer if kind == "sam2" else folder / "sam.pth"
        config = SegmenterConfig.model_validate(
            {"kind": kind, "model": "vit_b", "checkpoint": str(checkpoint), "device": "cpu"}
        )
        return SamSegmenter(config, architectures) if kind == "sam" else make_segmenter(config, masks)

    return build


def images() -> list[SourceImage]:
    return [source(spot(*size), number) for number, size in enumerate(SIZES)]


def centre(image: SourceImage) -> Box:
    [[box]] = CentreDetector().detect([image], "")
    return box


def overlap(mask: np.ndarray, wanted: np.ndarray) -> float:
    """Intersection over union."""
    return float((mask & wanted).sum() / max(1, (mask | wanted).sum()))


def test_the_table_has_every_kind_of_the_settings() -> None:
    kinds = set(get_args(SegmenterConfig.model_fields["kind"].annotation))
    assert set(SEGMENTERS) | {"sam3"} == kinds == set(KINDS) | {"sam3"}


def test_identities_are_those_of_stores_made_before(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"a mask")
    assert make_segmenter(SegmenterConfig(kind="grabcut", iterations=3)).identity == "grabcut-1:3"
    assert make_segmenter(SegmenterConfig(kind="otsu")).identity == "otsu-2"
    assert make_segmenter(SegmenterConfig(kind="u2netp")).identity == "u2netp-3:309c8469258dda74"
    assert (
        GivenMasks({"a.jpg": tmp_path / "mask.png"}).identity
        == "dataset:ddb86a95e8e60a20486892240dcf71faad1c5af9c02b001d1095ebb0fb70f45f"
    )


class TestEverySegmenter:
    @pytest.fixture(scope="class", params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> str:
        return request.param

    @pytest.fixture(scope="class")
    def segmenter(self, kind: str, make: Callable[[str], Segmenter]) -> Segmenter:
        return make(kind)

    def test_gives_a_mask_of_the_images_size_for_each_box(self, segmenter: Segmenter) -> None:
        for image in images():
            height, width = image.pixels.shape[:2]
            boxes = [centre(image), Box(0, 0, width, height, 1), Box(0, 0, width / 3, height / 3, 1)]
            masks = segmenter.segment(image, boxes)
            assert [(mask.shape, mask.dtype) for mask in masks] == [((height, width), np.dtype(bool))] * 3

    def test_no_boxes_no_masks(self, segmenter: Segmenter) -> None:
        assert segmenter.segment(images()[0], []) == []

    def test_same_question_same_answer_whatever_was_asked_between(self, segmenter: Segmenter) -> None:
        first, second = images()[:2]
        [before] = segmenter.segment(first, [centre(first)])
        segmenter.segment(second, [centre(second)])
        [after] = segmenter.segment(first, [centre(first)])
        assert np.array_equal(before, after)

    def test_a_box_does_not_change_the_masks_of_others(self, segmenter: Segmenter) -> None:
        image = images()[0]
        boxes = [centre(image), Box(10, 10, 70, 55, 1)]
        together = segmenter.segment(image, boxes)
        alone = [segmenter.segment(image, [box])[0] for box in boxes]
        assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))

    def test_leaves_the_image_as_it_was(self, segmenter: Segmenter) -> None:
        image = images()[0]
        before = image.pixels.copy()
        masks = segmenter.segment(image, [centre(image)] * 2)
        masks[0][:] = True
        assert np.array_equal(image.pixels, before)
        assert not masks[1].all()

    def test_identity_is_the_same_when_made_again(
        self, kind: str, segmenter: Segmenter, make: Callable[[str], Segmenter]
    ) -> None:
        assert make(kind).identity == segmenter.identity

    def test_identities_differ_between_kinds(self, make: Callable[[str], Segmenter]) -> None:
        assert len({make(kind).identity for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("kind", ["grabcut", "otsu"])
class TestWithoutWeights:
    @pytest.mark.parametrize(("size", "grey"), [((60, 80), True), ((700, 900), False)])
    def test_cuts_the_subject_whole_and_nothing_else(
        self, kind: str, size: tuple[int, int], grey: bool, make: Callable[[str], Segmenter]
    ) -> None:
        image = source(spot(*size, grey=grey))
        [mask] = make(kind).segment(image, [centre(image)])
        assert overlap(mask, disc_of(*size)) > 0.95

    def test_finds_nothing_in_a_blank_image(self, kind: str, make: Callable[[str], Segmenter]) -> None:
        image = source(np.full((60, 80, 3), 127, dtype=np.uint8))
        assert not make(kind).segment(image, [centre(image)])[0].any()

    def test_fills_a_hole_in_the_subject(self, kind: str, make: Callable[[str], Segmenter]) -> None:
        pixels = spot(120, 160)
        pixels[57:63, 77:83] = pixels[:6, :6]
        [mask] = make(kind).segment(source(pixels), [Box(16, 12, 144, 108, 1)])
        assert mask[60, 80]

    def test_a_speck_beside_the_subject_is_left_out(
        self, kind: str, make: Callable[[str], Segmenter]
    ) -> None:
        pixels = spot(120, 160)
        pixels[20:24, 30:34] = (220, 190, 60)
        [mask] = make(kind).segment(source(pixels), [Box(16, 12, 144, 108, 1)])
        assert not mask[22, 32]
        assert mask[60, 80]

    def test_a_box_chooses_among_subjects(self, kind: str, make: Callable[[str], Segmenter]) -> None:
        pixels = np.hstack([spot(100, 100), spot(100, 100, seed=1)])
        left, right = make(kind).segment(source(pixels), [Box(10, 10, 90, 90, 1), Box(110, 10, 190, 90, 1)])
        assert (left[50, 50], left[50, 150]) == (True, False)
        assert (right[50, 50], right[50, 150]) == (False, True)

    def test_subjects_in_real_photographs_are_neither_dust_nor_everything(
        self, kind: str, make: Callable[[str], Segmenter], shared_data: Path
    ) -> None:
        files = sorted((shared_data / "antsbees2" / "train").rglob("*.jpg"))[::41]
        shares = []
        for number, file in enumerate(files):
            image = source(np.asarray(Image.open(file).convert("RGB")), number)
            [mask] = make(kind).segment(image, [centre(image)])
            shares.append(mask.mean())
        found = [share for share in shares if share > 0]
        assert len(found) >= 0.75 * len(files)
        assert 0.01 < np.median(found) < 0.4


def test_grabcut_lets_a_subject_reach_a_little_out_of_its_box() -> None:
    wanted = disc_of(200, 200)
    tight = Box(53, 53, 147, 147, 1)  # the disc spans 50 to 150
    [mask] = make_segmenter(SegmenterConfig(kind="grabcut")).segment(source(spot(200, 200)), [tight])
    assert overlap(mask, wanted) > 0.95


def test_grabcuts_identity_changes_with_its_iterations() -> None:
    one, two = (make_segmenter(SegmenterConfig(kind="grabcut", iterations=number)) for number in (1, 2))
    assert one.identity != two.identity


class TestGivenMasks:
    @staticmethod
    def given(folder: Path, values: np.ndarray) -> Segmenter:
        Image.fromarray(values).save(folder / "mask.png")
        return make_segmenter(SegmenterConfig(kind="dataset"), {source(spot()).file: folder / "mask.png"})

    @pytest.mark.parametrize("brightest", [1, 255])
    def test_are_taken_as_they_are(self, brightest: int, tmp_path: Path) -> None:
        wanted = disc_of(60, 80)
        segmenter = self.given(tmp_path, (wanted * brightest).astype(np.uint8))
        [mask] = segmenter.segment(source(spot()), [centre(source(spot()))])
        assert np.array_equal(mask, wanted)

    def test_follow_an_image_that_was_made_smaller(self, tmp_path: Path) -> None:
        segmenter = self.given(tmp_path, (disc_of(241, 322) * 255).astype(np.uint8))
        [mask] = segmenter.segment(source(spot()), [centre(source(spot()))])
        assert overlap(mask, disc_of(60, 80)) > 0.9

    def test_show_nothing_to_a_box_that_they_do_not_reach_into(self, tmp_path: Path) -> None:
        segmenter = self.given(tmp_path, (disc_of(60, 80) * 255).astype(np.uint8))
        assert not segmenter.segment(source(spot()), [Box(0, 0, 10, 10, 1)])[0].any()

    def test_an_image_without_one_has_no_subject(self, tmp_path: Path) -> None:
        segmenter = self.given(tmp_path, np.full((60, 80), 255, dtype=np.uint8))
        assert not segmenter.segment(source(spot(), 7), [Box(0, 0, 80, 60, 1)])[0].any()

    def test_of_other_proportions_are_an_error_that_names_both(self, tmp_path: Path) -> None:
        segmenter = self.given(tmp_path, np.full((80, 60), 255, dtype=np.uint8))
        with pytest.raises(DataError, match=r"mask\.png is 60 x 80 pixels, and train/0000\.jpg is 80 x 60"):
            segmenter.segment(source(spot()), [Box(0, 0, 80, 60, 1)])

    def test_a_missing_or_broken_file_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        segmenter = self.given(tmp_path, np.full((60, 80), 255, dtype=np.uint8))
        (tmp_path / "mask.png").write_bytes(b"no picture")
        with pytest.raises(DataError, match=r"mask\.png"):
            segmenter.segment(source(spot()), [Box(0, 0, 80, 60, 1)])
        (tmp_path / "mask.png").unlink()
        with pytest.raises(DataError, match=r"mask\.png"):
            segmenter.segment(source(spot()), [Box(0, 0, 80, 60, 1)])

    def test_none_at_all_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.segmenter\.kind: dataset"):
            make_segmenter(SegmenterConfig(kind="dataset"))

    def test_other_masks_another_identity(self, tmp_path: Path) -> None:
        one = self.given(tmp_path, np.full((60, 80), 255, dtype=np.uint8)).identity
        assert self.given(tmp_path, np.zeros((60, 80), dtype=np.uint8)).identity != one


class TestSam:
    @staticmethod
    def config(checkpoint: Path | None, model: str = "vit_b", device: str = "cpu") -> SegmenterConfig:
        return SegmenterConfig.model_validate(
            {"kind": "sam", "model": model, "checkpoint": checkpoint and str(checkpoint), "device": device}
        )

    def test_embeds_an_image_once_for_all_its_boxes(self, tmp_path: Path) -> None:
        segmenter = SamSegmenter(self.config(tmp_path / "s.pth"), save_tiny_sam(tmp_path / "s.pth"))
        segmenter.load()
        passes: list[object] = []
        encoder = segmenter._predictor.model.image_encoder
        encoder.register_forward_hook(lambda *arguments: passes.append(1))
        image = images()[0]
        segmenter.segment(image, [centre(image)] * 40)
        segmenter.segment(image, [centre(image)])
        assert len(passes) == 1

    def test_gives_the_mask_that_its_own_predictor_gives(self, tmp_path: Path) -> None:
        from segment_anything import SamPredictor

        architectures = save_tiny_sam(tmp_path / "s.pth")
        model = architectures["vit_b"]()
        model.load_state_dict(torch.load(tmp_path / "s.pth"))
        predictor = SamPredictor(model.eval())
        image, box = images()[0], Box(20, 15, 60, 45, 1)
        predictor.set_image(image.pixels)
        expected, _, _ = predictor.predict(box=np.array([20, 15, 60, 45]), multimask_output=False)
        [mask] = SamSegmenter(self.config(tmp_path / "s.pth"), architectures).segment(image, [box])
        assert np.array_equal(mask, expected[0])

    def test_loads_the_published_architecture_and_knows_another_by_its_weights(self, tmp_path: Path) -> None:
        save_vit_b(tmp_path / "sam_vit_b.pth")
        segmenter = make_segmenter(self.config(tmp_path / "sam_vit_b.pth"))
        assert isinstance(segmenter, SamSegmenter)
        segmenter.load()
        other = make_segmenter(self.config(tmp_path / "sam_vit_b.pth", "vit_h"))
        with pytest.raises(ConfigurationError, match="holds SAM's vit_b, not vit_h"):
            other.segment(images()[0], [centre(images()[0])])

    def test_identity_changes_with_the_weights(self, tmp_path: Path) -> None:
        architectures = save_tiny_sam(tmp_path / "s.pth")
        before = SamSegmenter(self.config(tmp_path / "s.pth")).identity
        torch.save(architectures["vit_b"]().state_dict(), tmp_path / "s.pth")
        assert SamSegmenter(self.config(tmp_path / "s.pth")).identity != before

    def test_no_checkpoint_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.segmenter\.checkpoint is not set"):
            make_segmenter(self.config(None))

    def test_a_path_with_nothing_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"missing\.pth \(aga\.segmenter\.checkpoint\)"):
            make_segmenter(self.config(tmp_path / "missing.pth"))

    def test_a_checkpoint_of_something_else_is_an_error(self, tmp_path: Path) -> None:
        torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "resnet.pth")
        with pytest.raises(ConfigurationError, match=r"resnet\.pth \(aga\.segmenter\.checkpoint\)"):
            make_segmenter(self.config(tmp_path / "resnet.pth")).segment(images()[0], [centre(images()[0])])

    def test_a_checkpoint_that_was_cut_off_is_an_error(self, tmp_path: Path) -> None:
        save_tiny_sam(tmp_path / "s.pth")
        (tmp_path / "s.pth").write_bytes((tmp_path / "s.pth").read_bytes()[:-100])
        with pytest.raises(ConfigurationError, match=r"s\.pth \(aga\.segmenter\.checkpoint\)"):
            make_segmenter(self.config(tmp_path / "s.pth")).segment(images()[0], [centre(images()[0])])

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
    def test_cuda_where_there_is_none_is_an_error(self, tmp_path: Path) -> None:
        architectures = save_tiny_sam(tmp_path / "s.pth")
        segmenter = SamSegmenter(self.config(tmp_path / "s.pth", device="cuda"), architectures)
        with pytest.raises(ConfigurationError, match=r"no CUDA device \(aga\.segmenter\.device: cuda\)"):
            segmenter.segment(images()[0], [centre(images()[0])])


class TestSam2:
    @staticmethod
    def config(checkpoint: Path | None, device: str = "cpu") -> SegmenterConfig:
        return SegmenterConfig.model_validate(
            {"kind": "sam2", "checkpoint": checkpoint and str(checkpoint), "device": device}
        )

    @pytest.mark.parametrize("of_video", [False, True])
    def test_gives_the_masks_that_its_own_model_gives(self, of_video: bool, tmp_path: Path) -> None:
        from transformers import Sam2Model, Sam2Processor

        folder = save_tiny_sam2(tmp_path / "sam2", of_video=of_video)
        model, processor = Sam2Model.from_pretrained(folder).eval(), Sam2Processor.from_pretrained(folder)
        image, boxes = images()[0], [Box(20, 15, 60, 45, 1), Box(0, 0, 30, 50, 1)]
        corners = [[[box.left, box.top, box.right, box.bottom] for box in boxes]]
        inputs = processor(images=image.pixels, input_boxes=corners, return_tensors="pt")
        with torch.no_grad():
            answer = model(**inputs, multimask_output=False)
        [expected] = processor.post_process_masks(answer.pred_masks, inputs["original_sizes"])
        masks = make_segmenter(self.config(folder)).segment(image, boxes)
        assert np.array_equal(np.stack(masks), expected[:, 0].numpy())
        assert 0 < np.stack(masks).mean() < 1

    def test_embeds_an_image_once_for_all_its_boxes(self, tmp_path: Path) -> None:
        segmenter = make_segmenter(self.config(save_tiny_sam2(tmp_path / "sam2")))
        assert isinstance(segmenter, Sam2Segmenter)
        segmenter.load()
        passes: list[object] = []
        segmenter._model.vision_encoder.register_forward_hook(lambda *arguments: passes.append(1))
        image = images()[0]
        segmenter.segment(image, [centre(image)] * 40)
        segmenter.segment(image, [centre(image)])
        assert len(passes) == 1

    def test_what_holds_no_sam_2_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.segmenter\.checkpoint is not set"):
            make_segmenter(self.config(None))
        save_bert(tmp_path / "bert")
        with pytest.raises(ConfigurationError, match="bert, not a SAM 2"):
            make_segmenter(self.config(tmp_path / "bert")).segment(images()[0], [centre(images()[0])])
        folder = save_tiny_sam2(tmp_path / "sam2")
        (folder / "model.safetensors").unlink()
        with pytest.raises(ConfigurationError, match=r"\(aga\.segmenter\.checkpoint\).*model\.safetensors"):
            make_segmenter(self.config(folder)).segment(images()[0], [centre(images()[0])])


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_data_sets_are_read_from_any_kind_of_picture(mode: str, tmp_path: Path) -> None:
    wanted = disc_of(6, 8)
    if mode == "I;16":
        Image.fromarray(wanted.astype(np.uint16) * 65535).save(tmp_path / "mask.png")
    elif mode == "P":
        indices = Image.fromarray(wanted.astype(np.uint8), "P")
        indices.putpalette([0, 0, 0, 10, 20, 30])
        indices.save(tmp_path / "mask.png")
    else:
        Image.fromarray(wanted).convert(mode).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), wanted)
