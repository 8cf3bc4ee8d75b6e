"""Detectors: what all of them promise, and what each does with bad input."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tools.aga.tiny_vision import (
    save_bert,
    save_grounding_dino,
    save_tiny_sam3,
    save_transformers_grounding_dino,
    source,
    spot,
)
from tools.aga.config import DetectorConfig
from tools.aga.detectors.grounding_dino import bert_of_transformers_5
from tools.aga.detectors.make import DETECTORS, make_detector
from tools.aga.detectors.prompted import prompt_for
from tools.aga.detectors.simple import CentreDetector, GivenBoxes
from tools.aga.types import Box, Detector
from tools.errors import ConfigurationError, DataError

KINDS = ("none", "dataset", "groundingdino", "transformers", "sam3")

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Configuration and checkpoint of groundingdino-py."""
    return save_grounding_dino(tmp_path_factory.mktemp("groundingdino"))


@pytest.fixture(scope="session")
def ported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a GroundingDINO of transformers."""
    return save_transformers_grounding_dino(tmp_path_factory.mktemp("transformers") / "grounding-dino")


@pytest.fixture(scope="session")
def words_to_masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a SAM 3."""
    return save_tiny_sam3(tmp_path_factory.mktemp("sam3") / "sam3")


Make = Callable[..., DetectorConfig]


@pytest.fixture(scope="session")
def settings(published: tuple[Path, Path], ported: Path, words_to_masks: Path) -> Make:
    def make(kind: str, **changes: object) -> DetectorConfig:
        base: dict[str, object] = {"kind": kind, "box_threshold": 0.2, "text_threshold": 0.1, "side": 64}
        if kind == "groundingdino":
            base |= {"config": published[0], "checkpoint": str(published[1])}
        if kind == "transformers":
            base |= {"checkpoint": str(ported)}
        if kind == "sam3":
            base |= {"checkpoint": str(words_to_masks)}
        return DetectorConfig.model_validate(base | {"device": "cpu"} | changes)

    return make


IMAGES = [
    source(spot(60, 80), 0),
    source(spot(48, 40, seed=1), 1),
    source(spot(60, 80, seed=2, grey=True), 2),
    source(spot(1, 1), 3),
    source(spot(2, 40), 4),
]
GIVEN = {image.file: Box(0.0, 0.0, image.pixels.shape[1], image.pixels.shape[0] / 2, 1.0) for image in IMAGES}


def test_the_table_has_every_kind_of_the_settings() -> None:
    kind = get_args(DetectorConfig.model_fields["kind"].annotation)
    assert set(DETECTORS) == set(kind) == set(KINDS)


def test_identities_are_those_of_stores_made_before() -> None:
    assert CentreDetector(0.1).identity == "none:0.8"
    assert (
        GivenBoxes({"a.jpg": Box(0.0, 1.0, 2.0, 3.5, 1.0)}).identity
        == "dataset:dfbab6017000cf659196f66304b0ac8b054f4c164032d022d4fd43ba3f37ce6a"
    )


class TestEveryDetector:
    @pytest.fixture(scope="class", params=KINDS)
    def detector(self, request: pytest.FixtureRequest, settings: Make) -> Detector:
        return make_detector(settings(request.param), GIVEN)

    @pytest.fixture(scope="class")
    def found(self, detector: Detector) -> list[list[Box]]:
        return detector.detect(IMAGES, "bird")

    def test_boxes_lie_inside_their_image_best_first(self, found: list[list[Box]]) -> None:
        assert any(found)
        for image, boxes in zip(IMAGES, found, strict=True):
            height, width = image.pixels.shape[:2]
            for box in boxes:
                assert 0 <= box.left < box.right <= width
                assert 0 <= box.top < box.bottom <= height
            scores = [box.score for box in boxes]
            assert scores == sorted(scores, reverse=True)
            assert all(type(score) is float and 0 <= score <= 1 for score in scores)

    def test_same_question_same_answer(self, detector: Detector, found: list[list[Box]]) -> None:
        assert detector.detect(IMAGES, "bird") == found

    def test_an_image_does_not_see_its_neighbours(self, detector: Detector, found: list[list[Box]]) -> None:
        for image, together in zip(IMAGES, found, strict=True):
            [alone] = detector.detect([image], "bird")
            assert numbers(alone) == pytest.approx(numbers(together), abs=1e-3)

    def test_no_images_no_answers(self, detector: Detector) -> None:
        assert detector.detect([], "bird") == []

    def test_identity_is_the_same_when_made_again(self, detector: Detector, settings: Make) -> None:
        kind = detector.identity.partition(":")[0]
        assert make_detector(settings(kind), GIVEN).identity == detector.identity

    def test_identities_differ_between_kinds(self, settings: Make) -> None:
        assert len({make_detector(settings(kind), GIVEN).identity for kind in KINDS}) == len(KINDS)


def numbers(boxes: list[Box]) -> list[float]:
    return [value for box in boxes for value in (box.left, box.top, box.right, box.bottom, box.score)]


def test_none_is_the_centre_of_the_image() -> None:
    [[box]] = make_detector(DetectorConfig()).detect([source(spot(100, 200))], "bird")
    assert numbers([box]) == pytest.approx([20, 10, 180, 90, 1])


class TestGivenBoxes:
    def test_an_image_without_one_has_no_subject(self) -> None:
        detector = make_detector(DetectorConfig(kind="dataset"), {"another.jpg": Box(0, 0, 1, 1, 1)})
        assert detector.detect([IMAGES[0]], "bird") == [[]]

    def test_is_cut_at_the_edge_of_the_image(self) -> None:
        detector = make_detector(DetectorConfig(kind="dataset"), {IMAGES[0].file: Box(-5, 10, 900, 61, 1)})
        assert detector.detect(IMAGES[:1], "bird") == [[Box(0, 10, 80, 60, 1)]]

    def test_outside_the_image_is_an_error_that_names_the_file(self) -> None:
        detector = make_detector(DetectorConfig(kind="dataset"), {IMAGES[0].file: Box(90, 10, 99, 60, 1)})
        with pytest.raises(DataError, match=r"train/0000\.jpg .* 80 x 60 pixels"):
            detector.detect(IMAGES[:1], "bird")

    def test_none_at_all_is_an_error(self) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.detector\.kind: dataset"):
            make_detector(DetectorConfig(kind="dataset"))

    def test_other_boxes_another_identity(self) -> None:
        config = DetectorConfig(kind="dataset")
        one, other = {"a.jpg": Box(0, 0, 1, 1, 1)}, {"a.jpg": Box(0, 0, 1, 2, 1)}
        assert make_detector(config, one).identity != make_detector(config, other).identity


@pytest.mark.parametrize("kind", ["groundingdino", "transformers"])
class TestGroundingDino:
    def test_identity_changes_with_what_the_answer_depends_on(self, kind: str, settings: Make) -> None:
        identity = make_detector(settings(kind)).identity
        for change in ({"box_threshold": 0.5}, {"text_threshold": 0.5}, {"side": 96}):
            assert make_detector(settings(kind, **change)).identity != identity
        assert make_detector(settings(kind, batch_size=1)).identity == identity

    def test_prints_nothing(self, kind: str, settings: Make, capfd: pytest.CaptureFixture[str]) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make_detector(settings(kind)).detect(IMAGES[:1], "bird")
        assert capfd.readouterr() == ("", "")
        assert [str(each.message) for each in caught] == []

    def test_thresholds_keep_the_better_boxes(self, kind: str, settings: Make) -> None:
        [boxes] = make_detector(settings(kind, box_threshold=0)).detect(IMAGES[:1], "bird")
        middle = (boxes[0].score + boxes[-1].score) / 2
        [better] = make_detector(settings(kind, box_threshold=middle)).detect(IMAGES[:1], "bird")
        assert better == [box for box in boxes if box.score > middle]
        assert 0 < len(better) < len(boxes)

    def test_a_box_that_none_of_the_words_called_forth_is_left_out(self, kind: str, settings: Make) -> None:
        assert make_detector(settings(kind, text_threshold=1)).detect(IMAGES[:1], "bird") == [[]]

    def test_the_subject_matters(self, kind: str, settings: Make) -> None:
        detector = make_detector(settings(kind, box_threshold=0, text_threshold=0))
        assert detector.detect(IMAGES[:1], "bird") != detector.detect(IMAGES[:1], "black ant")

    def test_an_empty_subject_is_an_error(self, kind: str, settings: Make) -> None:
        with pytest.raises(ConfigurationError, match=r"' \. ' .*aga\.subjects"):
            make_detector(settings(kind)).detect(IMAGES[:1], " . ")

    def test_no_checkpoint_or_none_at_the_path_is_an_error(
        self, kind: str, settings: Make, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.detector\.checkpoint is not set"):
            make_detector(settings(kind, checkpoint=None))
        with pytest.raises(ConfigurationError, match=r"missing \(aga\.detector\.checkpoint\)"):
            make_detector(settings(kind, checkpoint=str(tmp_path / "missing")))

    def test_a_hub_id_without_network_is_an_error(
        self, kind: str, settings: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        name = "owner/no-such-model" + ("/weights.pth" if kind == "groundingdino" else "")
        with pytest.raises(ConfigurationError, match=rf"'{name}' \(aga\.detector\.checkpoint\)"):
            make_detector(settings(kind, checkpoint=name))

    @pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
    def test_cuda_where_there_is_none_is_an_error(self, kind: str, settings: Make) -> None:
        with pytest.raises(ConfigurationError, match=r"no CUDA device \(aga\.detector\.device: cuda\)"):
            make_detector(settings(kind, device="cuda")).detect(IMAGES[:1], "bird")


class TestPublishedGroundingDino:
    def test_finds_what_the_packages_own_inference_finds(
        self, settings: Make, published: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from groundingdino.util.inference import load_model, predict

        detector = make_detector(settings("groundingdino", text_threshold=0))
        monkeypatch.chdir(published[0].parent)  # where its text encoder 'bert' lies
        with bert_of_transformers_5():
            model = load_model(str(published[0]), str(published[1]), device="cpu")
        [boxes] = detector.detect(IMAGES[:1], "bird")
        prepared = detector._prepared(IMAGES[0].pixels)  # pyright: ignore[reportAttributeAccessIssue]
        expected, scores, _ = predict(model, prepared, "bird .", 0.2, 0.0, device="cpu")
        assert [box.score for box in boxes] == pytest.approx(sorted(scores.tolist(), reverse=True), abs=1e-5)
        best = int(scores.argmax())
        x, y, w, h = (expected[best] * torch.tensor([80, 60, 80, 60])).tolist()
        assert numbers(boxes[:1])[:4] == pytest.approx(
            [max(0, x - w / 2), max(0, y - h / 2), min(80, x + w / 2), min(60, y + h / 2)], abs=1e-3
        )

    def test_weights_of_another_size_are_an_error_that_says_where_they_differ(
        self, settings: Make, published: tuple[Path, Path], tmp_path: Path
    ) -> None:
        config = tmp_path / "other.py"
        text = published[0].read_text("utf-8").replace("enc_layers = 1", "enc_layers = 2")
        config.write_text(text.replace('"bert"', f'"{published[0].parent / "bert"}"'), "utf-8")
        with pytest.raises(
            ConfigurationError, match=r"does not fit .*weights are missing \(such as transformer\.encoder"
        ):
            make_detector(settings("groundingdino", config=config)).detect(IMAGES[:1], "bird")

    def test_a_file_that_is_no_checkpoint_is_an_error(self, settings: Make, tmp_path: Path) -> None:
        (tmp_path / "page.pth").write_text("<html>not found</html>", "utf-8")
        with pytest.raises(ConfigurationError, match=r"page\.pth \(aga\.detector\.checkpoint\)"):
            make_detector(settings("groundingdino", checkpoint=str(tmp_path / "page.pth"))).detect(
                IMAGES[:1], "bird"
            )

    def test_a_configuration_of_something_else_is_an_error(self, settings: Make, tmp_path: Path) -> None:
        (tmp_path / "other.py").write_text("learning_rate = 0.1\n", "utf-8")
        with pytest.raises(ConfigurationError, match=r"other\.py \(aga\.detector\.config\)"):
            make_detector(settings("groundingdino", config=tmp_path / "other.py")).detect(IMAGES[:1], "bird")

    def test_takes_the_packages_configuration_where_none_is_given(self, settings: Make) -> None:
        detector = make_detector(settings("groundingdino", config=None))
        assert detector._file.name == "GroundingDINO_SwinT_OGC.py"  # pyright: ignore[reportAttributeAccessIssue]


class TestTransformersGroundingDino:
    def test_finds_what_its_processor_finds(self, settings: Make, ported: Path) -> None:
        from PIL import Image
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        processor = AutoProcessor.from_pretrained(ported)
        model = AutoModelForZeroShotObjectDetection.from_pretrained(ported)
        size = {"shortest_edge": 64, "longest_edge": 107}
        image = Image.fromarray(IMAGES[0].pixels)
        inputs = processor(images=image, text="bird .", size=size, return_tensors="pt")
        with torch.no_grad():
            answer = model(**inputs)
        [expected] = processor.post_process_grounded_object_detection(
            answer, threshold=0.2, text_threshold=0.1, target_sizes=[(60, 80)]
        )
        [boxes] = make_detector(settings("transformers", text_threshold=0)).detect(IMAGES[:1], "bird")
        assert [box.score for box in boxes] == pytest.approx(
            sorted(expected["scores"].tolist(), reverse=True), abs=1e-5
        )
        best = np.clip(expected["boxes"][int(expected["scores"].argmax())].numpy(), 0, (80, 60, 80, 60))
        assert numbers(boxes[:1])[:4] == pytest.approx(best.tolist(), abs=1e-3)

    def test_a_folder_of_another_model_is_an_error(self, settings: Make, tmp_path: Path) -> None:
        save_bert(tmp_path / "bert")
        with pytest.raises(ConfigurationError, match="bert, not a GroundingDINO"):
            make_detector(settings("transformers", checkpoint=str(tmp_path / "bert"))).detect(
                IMAGES[:1], "bird"
            )

    def test_weights_that_lack_some_are_an_error_that_names_one(
        self, settings: Make, ported: Path, tmp_path: Path
    ) -> None:
        shutil.copytree(ported, tmp_path, dirs_exist_ok=True)
        weights = load_file(tmp_path / "model.safetensors")
        del weights["model.text_projection.weight"]
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        with pytest.raises(
            ConfigurationError, match=r"1 weights are missing \(such as model\.text_projection"
        ):
            make_detector(settings("transformers", checkpoint=str(tmp_path))).detect(IMAGES[:1], "bird")

    def test_a_folder_without_weights_is_an_error(self, settings: Make, ported: Path, tmp_path: Path) -> None:
        for file in ported.iterdir():
            if file.suffix != ".safetensors":
                (tmp_path / file.name).write_bytes(file.read_bytes())
        with pytest.raises(ConfigurationError, match=r"\(aga\.detector\.checkpoint\).*model\.safetensors"):
            make_detector(settings("transformers", checkpoint=str(tmp_path))).detect(IMAGES[:1], "bird")


def test_prompt_is_lower_case_and_ends_with_a_full_stop() -> None:
    assert [prompt_for(each) for each in ("bird", " Water  Ouzel. ")] == ["bird .", "water ouzel ."]
