"""What a language model is told where an image may have several labels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agent.memory.history import History
from agent.memory.look_ups import HeldOut
from agent.proposers.inspection.label_errors import label_errors, show
from agent.proposers.inspection.runner import ToolRunner
from agent.proposers.schema import DESCRIBE, PREVIEW
from tests.agent.proposers.arms import history, operation
from tests.prompts.told import first_message
from tests.tools.training.trials import TRAIN, labelled_data
from tools.datasets.cache.read import CachedDataset
from tools.training.evaluation import score
from tools.training.types import Predictions


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CachedDataset:
    return labelled_data(tmp_path_factory.mktemp("data"))


@pytest.fixture
def told(data: CachedDataset) -> History:
    counts, images = data.class_counts("train"), data.size("train")
    return replace(history(data.folder), card=data.card, class_counts=counts, images=images)


def test_the_task_says_that_labels_do_not_exclude_each_other(told: History) -> None:
    text = first_message(told, "tools", True)
    assert "- Task: 4 labels; an image may have several of them, or none" in text
    count = told.class_counts["even"]
    assert "Training images with each label:" in text
    assert f"- even: {count} ({count / TRAIN:.1%})" in text
    assert f"{TRAIN} training images in all." in text


def test_images_are_described_by_label(told: History) -> None:
    text = ToolRunner(told, False, True).run(DESCRIBE, {"classes": ["even"]}).text
    assert f"of {TRAIN} training images" in text
    assert "- even: brightness" in text
    assert "- r:" not in text, "only what was asked for, although these images have other labels too"
    assert "- r:" in ToolRunner(told, False, True).run(DESCRIBE, {}).text


def test_pictures_name_all_labels_of_an_image(told: History) -> None:
    arguments: dict[str, Any] = {"operations": [operation("rotate", 1.0, degrees=20).model_dump()]}
    assert ToolRunner(told, True, True).run(PREVIEW, arguments).picture is not None
    assert ToolRunner(told, True, True).first_pictures()


def test_the_labels_that_are_told_apart_worst_come_first(told: History, data: CachedDataset) -> None:
    view = data.split("train")
    shares = np.where(view.labels, 0.9, 0.1).astype(np.float32)
    shares[:, 1] = np.where(view.labels[:, 1], 0.2, 0.4)  # green is always missed
    missing = np.flatnonzero(view.labels[:, 3] == 0)[:2]
    shares[missing, 3] = 0.8
    predictions = Predictions(shares, view.labels, score(shares, view.labels, False, 0.5))
    held = HeldOut(view, predictions, 40)
    first, *rest = label_errors(held, told.card.classes)
    assert first.name == "g"
    assert first.auroc == 0
    assert len(first.missed) == first.images == view.labels[:, 1].sum()
    assert {each.name: each.wrongly for each in rest} == {"even": 2, "r": 0, "b": 0}
    result = show(told, held, (), vision=True)
    assert f"- g: AUROC 0.000; missed on {first.images} of {first.images} images" in result.text
    assert "it was found on none" in result.text
    assert result.picture is not None
    assert "- r:" not in show(told, held, ["g"], vision=False).text
