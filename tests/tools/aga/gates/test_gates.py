from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tests.tools.training.trials import HELD_OUT, SIZE, silent, tiny_data, tiny_trial
from tools.aga.config import GatesConfig
from tools.aga.gates.classifier_gate import ClassifierGate
from tools.aga.gates.gates import (
    GateResult,
    background_blank,
    caption_words,
    detector_score,
    mask_area,
    subject_on_background,
)
from tools.aga.types import Box, Caption
from tools.datasets.cache.read import SplitView, open_cache
from tools.errors import ConfigurationError
from tools.files import sha256_of
from tools.training.config import TrialSpec
from tools.training.evaluation import evaluate_trial
from tools.training.loop import train_trial
from tools.training.trial_store import RESULT, WEIGHTS, read_result, write_result

CONFIG = GatesConfig()
CLASSES = ("red", "green", "blue")


def found(score: float) -> Box:
    return Box(1, 1, 9, 9, score)


def picture(mean: float, deviation: float) -> np.ndarray:
    values = np.random.default_rng(0).normal(mean, deviation, (64, 64, 3))
    return np.clip(values.round(), 0, 255).astype(np.uint8)


class TestDetectorScore:
    def test_a_sure_box_passes_with_its_score(self):
        assert detector_score(found(0.8), CONFIG) == GateResult("detector_score", True, 0.8, "")
        assert detector_score(found(CONFIG.min_score), CONFIG).passed

    def test_an_unsure_box_is_refused_with_its_score_and_the_setting(self):
        result = detector_score(found(0.21), CONFIG)
        assert not result.passed
        assert "0.21" in result.reason
        assert "aga.gates.min_score" in result.reason

    def test_a_subject_that_the_segmenter_found_has_a_limit_of_its_own(self):
        result = detector_score(found(0.4), CONFIG, by_segmenter=True)
        assert not result.passed
        assert "aga.gates.min_agreement" in result.reason
        assert detector_score(found(CONFIG.min_agreement), CONFIG, by_segmenter=True).passed
        assert detector_score(found(0.4), CONFIG).passed

    def test_settings_of_earlier_versions_are_read(self):
        assert GatesConfig.model_validate({"min_saliency": 0.8}) == GatesConfig()
        with pytest.raises(ValidationError, match=r"aga\.gates\.min_agreement"):
            GatesConfig.model_validate({"min_saliency": 0.5})

    def test_no_box_is_refused(self):
        result = detector_score(None, CONFIG)
        assert not result.passed
        assert result.value is None


class TestMaskArea:
    def test_it_lies_between_the_two_limits(self):
        for rows, passed in ((0, False), (1, True), (90, True), (91, False), (100, False)):
            mask = np.zeros((100, 50), dtype=bool)
            mask[:rows] = True
            result = mask_area(mask, CONFIG)
            assert result.passed == passed
            assert result.value == pytest.approx(rows / 100)
            assert bool(result.reason) != passed

    def test_an_empty_mask_is_refused_whatever_the_settings(self):
        assert not mask_area(np.zeros((9, 9), dtype=bool), GatesConfig(min_area=0)).passed


class TestBackgroundBlank:
    def test_a_constant_picture_is_refused_whatever_the_settings(self):
        for level in (0, 128, 255):
            constant = np.full((32, 32, 3), level, dtype=np.uint8)
            assert not background_blank(constant, CONFIG).passed
            assert not background_blank(constant, GatesConfig(min_contrast=0, black_level=0)).passed

    def test_a_nearly_constant_picture_and_a_black_one_with_noise_are_refused(self):
        constant = background_blank(picture(140, 1), CONFIG)
        assert not constant.passed
        assert constant.value == pytest.approx(1, abs=0.2)
        assert "aga.gates.min_contrast" in constant.reason
        black = background_blank(picture(3, 4), CONFIG)
        assert not black.passed
        assert "aga.gates.black_level" in black.reason

    def test_a_night_sky_and_a_fog_pass(self):
        night = np.zeros((64, 64, 3), dtype=np.uint8)
        night[::8, ::8] = 255
        assert night.mean() < CONFIG.black_level
        assert background_blank(night, CONFIG).passed
        assert background_blank(picture(200, 4), CONFIG).passed

    def test_colours_of_one_brightness_are_no_blank(self):
        halves = np.zeros((32, 32, 3), dtype=np.uint8)
        halves[:16] = (120, 0, 0)
        halves[16:] = (0, 61, 0)
        assert background_blank(halves, CONFIG).passed


class TestSubjectOnBackground:
    def test_the_surest_box_decides(self):
        result = subject_on_background([found(0.2), found(0.6)], CONFIG)
        assert not result.passed
        assert result.value == 0.6

    def test_a_background_without_boxes_or_with_one_below_the_limit_passes(self):
        assert subject_on_background([], CONFIG).passed
        assert subject_on_background([found(0.34)], CONFIG).passed

    def test_switched_off_it_passes_and_says_that_it_did_not_look(self):
        result = subject_on_background([found(0.9)], GatesConfig(redetect=False))
        assert result.passed
        assert "aga.gates.redetect" in result.reason


class TestCaptionWords:
    def test_each_word_to_avoid_is_named(self):
        caption = Caption("A bird above the Anthill of ants.", "", "", "", "llm", 1)
        result = caption_words(caption, ["ant", "bird", "bee"])
        assert not result.passed
        assert result.value == 2
        assert result.reason == "the caption says 'ant', 'bird'"

    def test_part_of_another_word_is_no_match(self):
        assert caption_words(Caption("a distant plant", "", "", "", "llm", 1), ["ant"]).passed


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> TrialSpec:
    """A trained classifier of three classes, 16 px."""
    root = tmp_path_factory.mktemp("judge")
    spec = tiny_trial(tiny_data(root), root / "trials")
    assert train_trial(spec, "cpu", silent).status == "finished"
    return spec


@pytest.fixture(scope="module")
def view(trial: TrialSpec) -> SplitView:
    return open_cache(trial.cache).split("validation")


@pytest.fixture(scope="module")
def probabilities(trial: TrialSpec) -> np.ndarray:
    """What training itself says about the validation images."""
    return evaluate_trial(trial, "validation", "cpu").probabilities


def gate(trial: TrialSpec, config: GatesConfig = CONFIG) -> ClassifierGate:
    return ClassifierGate(trial.directory, CLASSES, SIZE, config)


class TestClassifierGate:
    def test_its_confidences_are_those_of_the_trained_classifier(
        self, trial: TrialSpec, view: SplitView, probabilities: np.ndarray
    ):
        results = gate(trial).judge(view.images[:], view.labels)
        assert [result.value for result in results] == pytest.approx(
            probabilities.max(axis=1).tolist(), abs=1e-5
        )

    def test_it_is_named_by_its_weights(self, trial: TrialSpec):
        assert gate(trial).identity == sha256_of(trial.directory / WEIGHTS)

    def test_confident_errors_are_refused_and_others_are_not(
        self, trial: TrialSpec, view: SplitView, probabilities: np.ndarray
    ):
        said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        limit = float(np.median(confidence))
        wrong = (said + 1) % 3
        results = gate(trial, GatesConfig(wrong_confidence=limit)).judge(view.images[:], wrong)
        assert [result.passed for result in results] == (confidence < limit).tolist()
        refused = next(result for result in results if not result.passed)
        assert "not '" in refused.reason
        assert "aga.gates.wrong_confidence" in refused.reason

    def test_images_that_are_too_easy_are_refused_where_asked(
        self, trial: TrialSpec, view: SplitView, probabilities: np.ndarray
    ):
        said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        limit = float(np.median(confidence))
        results = gate(trial, GatesConfig(easy_confidence=limit)).judge(view.images[:], said)
        assert [result.passed for result in results] == (confidence < limit).tolist()
        assert all(result.passed for result in gate(trial).judge(view.images[:], said))

    def test_alias_limits_are_each_classes_mean_confidence_and_refuse_right_and_wrong_alike(
        self, trial: TrialSpec, view: SplitView, probabilities: np.ndarray
    ):
        labels, said, confidence = (
            np.asarray(view.labels),
            probabilities.argmax(axis=1),
            probabilities.max(axis=1),
        )
        known = labels < 2  # class 2 has no images to learn its limit from
        means = [probabilities[labels == label, label].mean() for label in (0, 1)]
        limits = np.array([*means, np.inf])[said]
        for given in (said, (said + 1) % 3):
            judge = gate(trial, GatesConfig(wrong_confidence=0.01, easy_confidence=0.01, confidence="class"))
            judge.take_limits_from(np.asarray(view.images[:])[known], labels[known])
            results = judge.judge(view.images[:], given)
            assert [result.passed for result in results] == (confidence < limits).tolist()
        assert any("confidence class" in result.reason for result in results)
        assert any(result.passed for result in results)

    def test_more_images_than_a_batch_get_a_result_each_in_order(self, trial: TrialSpec, view: SplitView):
        many, labels = np.tile(view.images[:], (10, 1, 1, 1)), np.tile(view.labels, 10)
        values = [result.value for result in gate(trial).judge(many, labels)]
        assert len(values) == 10 * HELD_OUT
        assert values[:HELD_OUT] == pytest.approx(values[-HELD_OUT:], abs=1e-5)

    def test_no_images_get_no_results(self, trial: TrialSpec, view: SplitView):
        assert gate(trial).judge(view.images[:0], []) == []

    def test_images_of_another_size_are_refused(self, trial: TrialSpec):
        with pytest.raises(ValueError, match="16 x 16"):
            gate(trial).judge(np.zeros((2, 8, 8, 3), dtype=np.uint8), [0, 1])


class TestWhatIsNoJudge:
    def opened(self, folder: Path, classes: tuple[str, ...] = CLASSES, size: int = SIZE) -> None:
        ClassifierGate(folder, classes, size, CONFIG)

    def copied(self, trial: TrialSpec, folder: Path, *names: str) -> Path:
        for name in names:
            (folder / name).write_bytes((trial.directory / name).read_bytes())
        return folder

    def test_a_folder_without_a_trial_or_no_folder(self, tmp_path: Path):
        for folder in (tmp_path, tmp_path / "gone"):
            with pytest.raises(ConfigurationError, match=r"aga\.gates\.classifier.*result\.json"):
                self.opened(folder)

    def test_a_trial_whose_weights_were_dropped(self, trial: TrialSpec, tmp_path: Path):
        with pytest.raises(ConfigurationError, match=r"weights\.safetensors"):
            self.opened(self.copied(trial, tmp_path, RESULT))

    def test_a_trial_that_failed(self, trial: TrialSpec, tmp_path: Path):
        result = read_result(trial.directory)
        assert result is not None
        write_result(tmp_path, replace(result, status="failed", scores=None, failure="non_finite_loss"))
        with pytest.raises(ConfigurationError, match="non_finite_loss"):
            self.opened(self.copied(trial, tmp_path, WEIGHTS))

    def test_another_number_of_classes(self, trial: TrialSpec):
        with pytest.raises(ConfigurationError, match=r"3 classes.* 2"):
            self.opened(trial.directory, ("red", "green"))

    def test_another_image_size(self, trial: TrialSpec):
        with pytest.raises(ConfigurationError, match=r"16 px.* 32 px"):
            self.opened(trial.directory, size=32)

    @pytest.mark.parametrize("name", [WEIGHTS, RESULT])
    def test_a_damaged_file(self, trial: TrialSpec, tmp_path: Path, name: str):
        folder = self.copied(trial, tmp_path, WEIGHTS, RESULT)
        (folder / name).write_bytes(b'{"half": ')
        with pytest.raises(ConfigurationError, match=name):
            self.opened(folder)
