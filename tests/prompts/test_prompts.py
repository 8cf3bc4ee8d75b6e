"""What a model is told: complete, in order, and nothing undefined."""

from dataclasses import replace
from typing import Any

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from agent.memory.history import History, IterationRecord, Rejection
from agent.proposers.conversation import initial_messages
from agent.proposers.results import BEST_ROWS, LATEST_ROWS, feedback_values
from prompts import render, template_hash
from tests.agent.proposers.arms import REFERENCE, history, operation, proposal, record
from tests.prompts.told import everything, system_message
from tools.aga.captions.captioners import LlmCaptioner
from tools.training.types import Fit

ROTATE = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
BLUR = proposal(operation("gaussian_blur", sigma=1), operation("brightness", strength=0.2), gain=1.25)
GOOD = record(1, ROTATE, 0.78, gain=0.03, within_noise=False, recalls=(0.8, 0.72))
FAILED = record(2, proposal(operation("erasing", area=0.2)), None, reason="out of memory in epoch 1")
NOISE = record(3, BLUR, 0.745, gain=-0.005, within_noise=True, losses=(0.9, 0.5))
TOLD = history(past=(GOOD, FAILED, NOISE), modality="fundus")


def trained(item: IterationRecord, fit: Fit, losses: tuple[float, ...]) -> IterationRecord:
    """The record with these ends and courses of its trainings."""
    return replace(
        item, trials=tuple(replace(trial, fit=fit, validation_losses=losses) for trial in item.trials)
    )


def first_message(told: History = TOLD, **changes: Any) -> str:
    return str(initial_messages(replace(told, **changes), "tools", 6, feedback=True)[1].content)


class TestLoader:
    def test_a_missing_value_or_template_is_an_error(self) -> None:
        with pytest.raises(UndefinedError):
            render("rejection")
        with pytest.raises(TemplateNotFound):
            render("nothing")

    def test_the_hash_stays_the_same(self) -> None:
        assert len(template_hash()) == 64
        assert template_hash() == template_hash()

    def test_the_caption_prompt_is_unchanged(self) -> None:
        """It is part of the identity of captions and synthetic sets: those of earlier studies must be found again."""
        identity = LlmCaptioner(lambda system, user: "", "openai:m").identity
        assert "prompt 7cf77c07176f437a," in identity


class TestTheTask:
    def test_it_describes_the_data_the_model_and_the_target(self) -> None:
        text = first_message()
        for fact in (
            "the ground decides the class",
            "resnet18, trained from scratch",
            "modern: 10 epochs",
            "validation accuracy",
            "16 × 16",
            "- dark: 12 (75.0%)",
            "- light: 4 (25.0%)",
            "3.0 times",
            "16 training images in all",
        ):
            assert fact in text

    def test_it_lists_every_operation_with_its_ranges(self) -> None:
        text = first_message()
        assert "- rotate: " in text
        assert "degrees 1 to 180" in text

    def test_of_grey_images_it_says_so_and_offers_no_operation_on_colour(self) -> None:
        grey, colour = first_message(grey=True), first_message()
        assert "- Kind of images: fundus; grey: red, green and blue are equal in every pixel" in grey
        assert "- Kind of images: fundus\n- Image size" in colour
        assert "\n- saturation: " in colour
        assert "\n- saturation: " not in grey

    def test_it_warns_of_what_is_unsafe_for_these_images(self) -> None:
        assert "- invert: fundus: " in first_message()

    def test_it_says_how_many_operations_a_policy_has(self) -> None:
        assert "2 to 3 operations\n" in first_message()
        assert "exactly 1 operation\n" in first_message(minimum_operations=1, maximum_operations=1)

    def test_it_says_whether_a_proposal_has_backgrounds(self) -> None:
        for wanted, system_says in (("off", False), ("optional", True), ("always", True)):
            told = replace(TOLD, backgrounds=wanted)
            assert ("Backgrounds: one set of prompts" in first_message(told)) == system_says
            system = str(initial_messages(told, "structured", 0, feedback=True)[0].content)
            assert ("`backgrounds`" in system) == ('"backgrounds"' in system) == system_says


class TestFeedback:
    def test_it_names_best_last_and_reference(self) -> None:
        text = first_message()
        assert "0.7500 ± 0.0100" in text
        assert "Best: iteration 1: rotate(p=0.5, degrees=20) > horizontal_flip(p=0.5)" in text
        assert "Last: iteration 3: gaussian_blur" in text

    def test_gains_are_in_points_with_interval_and_the_chance_that_they_are_real(self) -> None:
        text = first_message()
        assert "over no augmentation +3.00, believed +3.00, likely better (about 4 in 5)" in text
        assert "| -0.50, believed -0.50, likely worse (about 4 in 5) | +1.25 | - | iteration 3 |" in text
        assert "1.00 points" in text

    def test_failures_come_with_their_reasons(self) -> None:
        assert "3 of 3 trials: out of memory in epoch 1" in first_message()

    def test_only_a_class_whose_recall_changed_is_mentioned(self) -> None:
        text = first_message()
        best = next(line for line in text.splitlines() if line.startswith("- recall of light"))
        assert "0.72" in best
        assert "0.60" in best
        assert "recall of dark" not in text

    def test_how_far_a_training_got_is_told_by_clean_images(self) -> None:
        """A high loss on augmented images says nothing: it is not even mentioned."""
        by_heart = trained(REFERENCE, Fit(0.05, 0.99), (0.62, 0.61, 0.60, 0.60))
        unfinished = trained(GOOD, Fit(0.40, 0.84), (0.70, 0.60, 0.50, 0.43))
        too_long = trained(NOISE, Fit(0.01, 1.00), (0.50, 0.40, 0.45, 0.62))
        text = first_message(reference=by_heart, past=(unfinished, FAILED, too_long), incumbent=unfinished)
        assert "accuracy 0.990, loss 0.050; validation loss 0.600" in text
        assert "over-fitting, it knows its training images by heart; stronger" in text
        best, _, last = text.partition("Last: iteration 3")
        assert "not finished, it needs about twice the length" in best.partition("Best: iteration 1")[2]
        assert "over-trained, its validation loss has risen by" in last
        assert "milder" not in text
        assert "too strong" not in text
        plain = first_message(reference=by_heart, past=(unfinished,), incumbent=unfinished, advice=False)
        assert "stronger or more varied" not in plain

    def test_a_longer_training_is_spoken_of_only_where_a_proposal_may_ask_for_it(self) -> None:
        for longer in (True, False):
            messages = initial_messages(
                replace(TOLD, longer=longer, steps=960), "structured", 0, feedback=True
            )
            assert ("2 or 4 times the length with `length`" in str(messages[0].content)) == longer
            assert ('"length": 1' in str(messages[0].content)) == longer
            task = str(messages[1].content)
            assert ("With `length` 2 or 4, a policy is trained that many times as long" in task) == longer
            assert ("the same for every policy but for its length" in task) == longer

    def test_of_results_of_earlier_versions_it_is_not_known(self) -> None:
        assert "how far it learnt is not known" in first_message()

    def test_what_is_left_is_told(self) -> None:
        text = first_message()
        assert "Left: 5 of 8 iterations, this one included." in text
        assert "Left of the budget: 3 of 24 trials; the final comparison is paid from it too." in text
        assert "Left of the budget" not in first_message(budget_left="")

    def test_the_first_iteration_has_no_table_of_results(self) -> None:
        assert "| policy |" in first_message()
        assert "| policy |" not in first_message(history())

    def test_a_study_without_a_reference_can_be_told(self) -> None:
        assert "0.7500 ±" not in first_message(reference=None, noise=None)

    def test_a_long_history_keeps_the_best_and_the_latest_and_counts_the_rest(self) -> None:
        past = tuple(record(number, ROTATE, 0.9 - number / 1000) for number in range(1, 201))
        values = feedback_values(history(past=past))
        names = [row.record.name for row in values["rows"]]
        assert len(names) == BEST_ROWS + LATEST_ROWS
        assert values["not_shown"] == 200 - len(names)
        assert (values["best"].record.name, values["last"].record.name) == ("iteration 1", "iteration 200")


class TestConversation:
    def test_rejections_follow_as_the_models_answers_and_our_reasons(self) -> None:
        rejections = (Rejection("{oops", ("not valid JSON",)), Rejection("", ("empty",)))
        messages = initial_messages(replace(TOLD, rejections=rejections), "structured", 0, feedback=True)
        assert [message.type for message in messages] == ["system", "human", "ai", "human", "ai", "human"]
        assert messages[2].content == "{oops"
        assert "- not valid JSON" in str(messages[3].content)
        assert messages[4].content == "(an empty answer)"

    def test_without_feedback_no_result_of_any_kind_is_said(self) -> None:
        messages = initial_messages(TOLD, "tools", 6, feedback=False)
        text = "\n".join(str(message.content) for message in messages)
        for result in ("0.78", "0.75", "out of memory", "Reference", "gain +"):
            assert result not in text
        assert "rotate(p=0.5, degrees=20) > horizontal_flip(p=0.5)" in text


def test_several_policies_at_once_are_asked_for_and_how_they_race_is_told():
    told = replace(history(), candidates=4, seeds=3)
    for mode in ("tools", "structured"):
        text = everything(told, mode)
        assert "you submit 4 policies at once" in text
        assert "the better half goes on to the second" in text
        assert "you submit one policy" not in text
    cheap = system_message(replace(told, cheap_first=True))
    assert "first measured cheaply" in cheap
    assert "the better half" not in cheap
    assert '{"proposals": [{"hypothesis"' in system_message(told, "structured")


def test_what_was_left_behind_is_told_as_such_and_not_as_failed():
    behind = replace(
        record(1, ROTATE, None),
        trials=(),
        stopped="cheap measure only: −0.30 points over the default",
        cheap_gain=-0.003,
    )
    raced = replace(
        record(1, BLUR, 0.8), name="iteration 1.2", stopped="stopped after one seed: others did better"
    )
    text = everything(replace(history(past=[behind, raced]), candidates=4))
    assert "cheap measure only: −0.30 points over the default" in text
    assert "iteration 1.2: stopped after one seed: others did better" in text
    assert "failed" not in text.partition("# Results so far")[2]
