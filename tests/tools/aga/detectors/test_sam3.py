"""SAM 3: one model that finds what a word names, and outlines it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.tools.aga.tiny_vision import save_bert, save_tiny_sam3, source, spot
from tools.aga.config import AgaConfig, DetectorConfig
from tools.aga.detectors.sam3 import Sam3
from tools.aga.finders import make_finders
from tools.aga.types import Box
from tools.errors import ConfigurationError

torch.set_num_threads(1)

IMAGES = [source(spot(60, 80), 0), source(spot(48, 40, seed=1), 1), source(spot(2, 40), 2)]
Make = Callable[..., Sam3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sam3(tmp_path_factory.mktemp("sam3") / "sam3")


@pytest.fixture(scope="module")
def make(folder: Path) -> Make:
    def build(**changes: object) -> Sam3:
        base = {"kind": "sam3", "checkpoint": str(folder), "box_threshold": 0.1, "device": "cpu"}
        return Sam3(DetectorConfig.model_validate(base | changes))

    return build


def test_finds_and_outlines_what_its_own_processor_does(make: Make, folder: Path) -> None:
    from transformers import Sam3Model, Sam3Processor

    model, processor = Sam3Model.from_pretrained(folder).eval(), Sam3Processor.from_pretrained(folder)
    inputs = processor(images=IMAGES[0].pixels, text="bird", return_tensors="pt")
    with torch.no_grad():
        answer = model(**inputs)
    [expected] = processor.post_process_instance_segmentation(answer, threshold=0.1, target_sizes=[(60, 80)])
    sam = make()
    [boxes] = sam.detect(IMAGES[:1], "Bird")
    assert [box.score for box in boxes] == pytest.approx(sorted(expected["scores"].tolist(), reverse=True))
    order = np.argsort(-expected["scores"].numpy(), kind="stable")
    masks = sam.segment(IMAGES[0], boxes)
    assert np.array_equal(np.stack(masks), expected["masks"].numpy()[order] > 0)
    assert 0 < np.stack(masks).mean() < 1


def test_each_box_keeps_its_mask_in_a_batch_and_when_it_is_asked_for_later(make: Make) -> None:
    sam = make(batch_size=2)
    found = sam.detect(IMAGES, "ant")
    together = [sam.segment(image, boxes[:2]) for image, boxes in zip(IMAGES, found, strict=True)]
    for image, boxes, before in zip(IMAGES, found, together, strict=True):
        assert all(mask.shape == image.pixels.shape[:2] for mask in before)
        [again] = sam.detect([image], "ant")
        for one, other in zip(boxes, again, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
        assert np.mean(sam.segment(image, again[:1])[0] != before[0]) < 0.02
    [first] = sam.detect(IMAGES[:1], "ant")
    sam.detect(IMAGES[1:], "ant")
    [asked_late] = sam.segment(IMAGES[0], first[:1])
    assert asked_late.any()


def test_a_box_that_it_did_not_find_has_no_mask(make: Make) -> None:
    sam = make()
    sam.detect(IMAGES[:1], "bird")
    assert not sam.segment(IMAGES[0], [Box(1, 2, 3, 4, 0.9)])[0].any()
    assert sam.segment(IMAGES[0], []) == []


def test_the_subject_and_the_threshold_matter(make: Make) -> None:
    assert make().detect(IMAGES[:1], "bird") != make().detect(IMAGES[:1], "black ant")
    assert make(box_threshold=0.99).detect(IMAGES[:1], "bird") == [[]]
    assert make(box_threshold=0.5).identity != make().identity == make(batch_size=1).identity


def test_what_holds_no_sam_3_is_an_error(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"aga\.detector\.checkpoint is not set"):
        make(checkpoint=None)
    save_bert(tmp_path / "bert")
    with pytest.raises(ConfigurationError, match="bert, not a SAM 3"):
        make(checkpoint=str(tmp_path / "bert")).detect(IMAGES[:1], "bird")
    with pytest.raises(ConfigurationError, match=r"aga\.subjects"):
        make().detect(IMAGES[:1], " . ")


def test_as_segmenter_it_is_its_own_detector(folder: Path) -> None:
    aga = {"detector": {"kind": "sam3", "checkpoint": str(folder)}, "segmenter": {"kind": "sam3"}}
    detector, segmenter = make_finders(AgaConfig.model_validate(aga))
    assert detector is segmenter
    with pytest.raises(ValidationError, match=r"aga\.detector\.kind sam3"):
        AgaConfig.model_validate({"segmenter": {"kind": "sam3"}})
