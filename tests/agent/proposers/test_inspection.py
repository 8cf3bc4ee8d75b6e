"""The tools that a model may call: what they say, what they show, and what they say where a call cannot be run."""

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent.memory.history import History
from agent.proposers.inspection import SHEET_SIDE
from agent.proposers.inspection.errors import error_pairs
from agent.proposers.inspection.runner import LONGEST_ANSWER, ToolRunner
from agent.proposers.inspection.training_images import example_sheet, look
from agent.proposers.schema import BACKGROUNDS, DESCRIBE, ERRORS, PREVIEW, PROBE, RESULTS
from tests.agent.proposers.arms import Instruments, history, operation
from tests.prompts.told import PROMPTS
from tools.datasets.cache.read import open_cache


@pytest.fixture
def instruments(cache: Path) -> Instruments:
    return Instruments(cache)


@pytest.fixture
def told(cache: Path, instruments: Instruments) -> History:
    return replace(history(cache), backgrounds="optional", instruments=instruments)


def runner(told: History, vision: bool = False, feedback: bool = True) -> ToolRunner:
    return ToolRunner(told, vision, feedback)


def picture(encoded: str | None) -> np.ndarray:
    assert encoded is not None
    return np.asarray(Image.open(BytesIO(base64.b64decode(encoded))).convert("RGB"))


class TestWhichToolsThereAre:
    def test_all_of_them_in_a_study_with_backgrounds_and_results(self, told: History) -> None:
        assert runner(told).names == [DESCRIBE, PREVIEW, BACKGROUNDS, ERRORS, RESULTS]

    def test_no_results_and_no_errors_for_a_model_that_is_told_none(self, told: History) -> None:
        assert runner(told, feedback=False).names == [DESCRIBE, PREVIEW, BACKGROUNDS]
        assert "There is no tool 'show_errors'" in runner(told, feedback=False).run(ERRORS, {}).text

    def test_no_backgrounds_where_proposals_have_none(self, told: History) -> None:
        assert BACKGROUNDS not in runner(replace(told, backgrounds="off")).names

    def test_no_errors_where_the_budget_cannot_pay_for_them(
        self, told: History, instruments: Instruments, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(instruments, "can_show_errors", lambda: False)
        assert ERRORS not in runner(told).names


class TestDescribing:
    def test_classes_are_measured_apart(self, told: History) -> None:
        text = runner(told).run(DESCRIBE, {"classes": ["light"]}).text
        assert "Made images, only light: measured on 4 of 16 training images" in text
        assert "- light: brightness 1" in text
        assert "- dark:" not in text
        everything = runner(told).run(DESCRIBE, {}).text
        assert "measured on 16 of 16" in everything
        assert "- dark: brightness " in everything

    def test_an_unknown_class_is_named_with_those_that_there_are(self, told: History) -> None:
        text = runner(told).run(DESCRIBE, {"classes": ["grey"]}).text
        assert "There is no class 'grey': the classes are dark, light." in text

    def test_measures_are_what_they_say(self) -> None:
        flat = np.full((2, 8, 8, 3), 100, np.uint8)
        assert look(flat) == (100.0, 0.0, 0.0, 0.0)
        red = flat.copy()
        red[..., 0] = 160
        assert look(red)[:3] == (120.0, 0.0, 60.0)
        board = flat.copy()
        board[:, ::2] = 200
        assert look(board)[1] == pytest.approx(50)
        assert look(board)[3] > 0


class TestPictures:
    @pytest.mark.parametrize("classes", [2, 6, 7, 40, 200])
    def test_the_sheet_of_the_task_is_small_and_shows_every_class_it_has_room_for(
        self, cache: Path, classes: int
    ) -> None:
        names = tuple(f"class {number}" for number in range(classes))
        view = open_cache(cache).split("train")
        view = replace(view, labels=np.arange(len(view)) % classes)
        base = history(cache)
        data, text = example_sheet(replace(base, card=replace(base.card, classes=names)), view)
        shape = picture(data).shape
        assert max(shape[:2]) <= SHEET_SIDE
        assert ("not shown" in text) == (classes > 30)

    def test_a_model_that_sees_gets_it_with_the_task(self, told: History) -> None:
        assert len(runner(told, vision=True).first_pictures()) == 1
        assert runner(told).first_pictures() == []

    @pytest.mark.parametrize(
        ("tool", "arguments"),
        [
            (DESCRIBE, {"classes": ["dark"]}),
            (PREVIEW, {"operations": [operation("rotate", 1.0, degrees=20).model_dump()]}),
            (BACKGROUNDS, {"backgrounds": PROMPTS.model_dump()}),
            (ERRORS, {"classes": []}),
        ],
        ids=[DESCRIBE, PREVIEW, BACKGROUNDS, ERRORS],
    )
    def test_each_tool_has_one_for_a_model_that_sees_and_none_for_another(
        self, told: History, tool: str, arguments: dict[str, Any]
    ) -> None:
        assert runner(told).run(tool, arguments).picture is None
        shown = picture(runner(told, vision=True).run(tool, arguments).picture)
        assert max(shown.shape[:2]) <= SHEET_SIDE
        assert shown.std() > 10


class TestErrors:
    def test_they_come_by_pair_the_most_confident_first(self, instruments: Instruments) -> None:
        (pair,) = error_pairs(instruments.held_out(), ("dark", "light"))
        assert (pair.true, pair.predicted, pair.count, pair.images_of_class) == ("dark", "light", 4, 12)
        dark = np.flatnonzero(np.asarray(instruments.shown_images().labels) == 0)
        assert pair.places.tolist() == [int(dark[at]) for at in (1, 3, 2, 0)]
        assert pair.confidence == pytest.approx(0.75)

    def test_they_are_told_with_what_sets_them_apart(self, told: History) -> None:
        text = runner(told).run(ERRORS, {"classes": []}).text
        assert "trained without augmentation on 64 training images, and asked about 16 others" in text
        assert "none of them is a validation or test image. 4 were misclassified." in text
        assert (
            "- dark taken for light: 4 of 12 images of dark, with a mean confidence of 75%. Brightness 59,"
            in text
        )
        assert "those of dark that were classified correctly: 59," in text

    def test_one_may_ask_for_a_class(self, told: History) -> None:
        assert "None of them is of light." in runner(told).run(ERRORS, {"classes": ["light"]}).text
        assert runner(told, vision=True).run(ERRORS, {"classes": ["light"]}).picture is None


class TestBackgrounds:
    def test_verdicts_come_with_their_captions_and_reasons(self, told: History) -> None:
        text = runner(told).run(BACKGROUNDS, {"backgrounds": PROMPTS.model_dump()}).text
        for fact in (
            "2 synthetic images were made from these prompts",
            "1 of them would be refused",
            "- an image of light would be refused: the classifier doubts it",
            "Backgrounds that were tried: 2, of which 1 may be used",
            "- accepted: a photograph of a reedy shore",
            "- refused (the caption says 'gull'): a gull on a shore",
            "- training images that gave none: 3: no subject was found",
        ):
            assert fact in text

    def test_prompts_that_would_be_refused_make_nothing(
        self, told: History, instruments: Instruments
    ) -> None:
        bad = PROMPTS.model_copy(update={"settings": ["a dark wood"], "scale": 99})
        text = runner(told).run(BACKGROUNDS, {"backgrounds": bad.model_dump()}).text
        assert text.startswith("These prompts would be refused:\n- ")
        assert "scale" in text
        assert instruments.kept == []

    def test_a_list_of_sets_is_explained(self, told: History) -> None:
        text = runner(told).run(BACKGROUNDS, {"backgrounds": [PROMPTS.model_dump()]}).text
        assert "one set of prompts, not a list" in text


class TestWhatIsKept:
    def test_answers_are_and_results_and_refused_calls_are_not(
        self, told: History, instruments: Instruments
    ) -> None:
        tools = runner(told)
        rotated = {"operations": [operation("rotate", 1.0, degrees=20).model_dump()]}
        for name, arguments in (
            (DESCRIBE, {"classes": ["dark"]}),
            (PREVIEW, rotated),
            (PREVIEW, {"operations": "rotate"}),
            (RESULTS, {}),
            (ERRORS, {}),
        ):
            tools.run(name, arguments)
        assert [(each.tool, each.asked) for each in instruments.kept] == [
            (DESCRIBE, "dark"),
            (PREVIEW, "rotate(p=1, degrees=20)"),
            (ERRORS, ""),
        ]
        assert all(0 < len(each.found) <= LONGEST_ANSWER for each in instruments.kept)

    def test_what_cannot_be_had_is_told_and_not_kept(self, told: History, instruments: Instruments) -> None:
        instruments.refusal = "The budget of 12 trials is spent."
        for name, arguments in ((ERRORS, {}), (BACKGROUNDS, {"backgrounds": PROMPTS.model_dump()})):
            assert runner(told).run(name, arguments).text == "The budget of 12 trials is spent."
        assert instruments.kept == []


class TestProbes:
    POLICY = (operation("rotate", degrees=20).model_dump(), operation("horizontal_flip").model_dump())

    def test_they_are_offered_only_where_the_cheap_measure_is_trusted(
        self, told: History, instruments: Instruments
    ) -> None:
        assert "There is no tool 'probe_policy'" in runner(told).run(PROBE, {"operations": self.POLICY}).text
        instruments.trusted = True
        assert PROBE in runner(told).names
        assert PROBE not in runner(told, feedback=False).names

    def test_the_gain_over_the_default_is_told_and_kept(
        self, told: History, instruments: Instruments
    ) -> None:
        instruments.trusted = True
        text = runner(told).run(PROBE, {"operations": self.POLICY}).text
        assert "+2.00 points over the default policy" in text
        assert "accuracy 0.8200 against 0.8000" in text
        assert [each.tool for each in instruments.kept] == [PROBE]

    def test_what_would_be_refused_is_not_measured(self, told: History, instruments: Instruments) -> None:
        instruments.trusted, instruments.refusal = True, "it was measured all the same"
        text = runner(told).run(PROBE, {"operations": [operation("rotate", degrees=4000).model_dump()]}).text
        assert "would be refused" in text
        assert "4000" in text

    def test_why_it_cannot_be_had_is_told(self, told: History, instruments: Instruments) -> None:
        instruments.trusted, instruments.refusal = True, "The budget is spent."
        assert runner(told).run(PROBE, {"operations": self.POLICY}).text == "The budget is spent."
