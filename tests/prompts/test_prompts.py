"""The words that are said to a model: complete, in order, and nothing undefined."""

from dataclasses import replace

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from agent.memory.history import Rejection
from agent.proposers.conversation import initial_messages
from agent.proposers.results import BEST_ROWS, LATEST_ROWS, feedback_values
from prompts import render, template_hash
from tests.agent.proposers.arms import history, operation, proposal, record

ROTATE = proposal(operation("rotate", degrees=20), operation("horizontal_flip"))
BLUR = proposal(operation("gaussian_blur", sigma=1), operation("brightness", strength=0.2), gain=1.25)
GOOD = record(1, ROTATE, 0.78, gain=0.03, within_noise=False, recalls=(0.8, 0.72))
FAILED = record(2, proposal(operation("erasing", area=0.2)), None, reason="out of memory in epoch 1")
NOISE = record(3, BLUR, 0.745, gain=-0.005, within_noise=True, losses=(0.9, 0.5))


def first_message(**changes: object) -> str:
    told = history(past=(GOOD, FAILED, NOISE), modality="fundus")
    return str(initial_messages(replace(told, **changes), "tools", 6, feedback=True)[1].content)  # type: ignore[arg-type]


class TestLoader:
    def test_a_value_that_is_not_given_is_an_error(self) -> None:
        with pytest.raises(UndefinedError):
            render("rejection")

    def test_an_unknown_template_is_an_error(self) -> None:
        with pytest.raises(TemplateNotFound):
            render("nothing")

    def test_the_hash_is_of_all_templates_and_stays(self) -> None:
        assert len(template_hash()) == 64
        assert template_hash() == template_hash()


class TestTheTask:
    def test_it_holds_what_the_method_asks_for(self) -> None:
        text = first_message()
        for part in (
            "the ground decides the class",  # description of the data
            "resnet18, trained from scratch",  # architecture
            "validation accuracy",  # target metric
            "Augmentations in a policy: 2 to 3 operations",
        ):
            assert part in text

    def test_it_tells_classes_with_counts_size_and_recipe(self) -> None:
        text = first_message()
        for part in ("- dark: 12 (75.0%)", "- light: 4 (25.0%)", "3.0 times", "16 × 16", "modern: 10 epochs"):
            assert part in text

    def test_it_lists_every_operation_with_its_ranges(self) -> None:
        text = first_message()
        assert "- rotate: " in text
        assert "degrees 1 to 180" in text

    def test_it_warns_of_what_is_unsafe_for_these_images(self) -> None:
        text = first_message()
        assert "Refused here" in text
        assert "- invert: fundus: " in text

    def test_one_operation_is_asked_for_in_the_singular(self) -> None:
        assert "exactly 1 operation\n" in first_message(minimum_operations=1, maximum_operations=1)


class TestFeedback:
    def test_it_names_best_last_and_reference(self) -> None:
        text = first_message()
        assert "Reference, no augmentation: 0.7500 ± 0.0100" in text
        assert "Best: iteration 1: rotate(p=0.5, degrees=20) > horizontal_flip(p=0.5)" in text
        assert "Last: iteration 3: gaussian_blur" in text

    def test_gains_are_in_points_with_interval_and_marked_within_noise(self) -> None:
        text = first_message()
        assert "gain +3.00 [+2.00, +4.00] (better)" in text
        assert "| -0.50 [-1.50, +0.50] | +1.25 | within noise | iteration 3 |" in text
        assert "1.00 points (standard deviation)" in text

    def test_failures_come_with_their_reasons(self) -> None:
        assert "3 of 3 trials: out of memory in epoch 1" in first_message()

    def test_a_class_whose_recall_moved_is_told(self) -> None:
        text = first_message()
        assert "recall of light: 0.72, against 0.60 without augmentation" in text
        assert "recall of dark" not in text

    def test_losses_tell_over_from_under_fitting(self) -> None:
        text = first_message()
        assert "training loss 0.100, validation loss 0.600: over-fitting" in text
        assert "harder than the validation images" in text.partition("Last:")[2]

    def test_the_budget_is_told(self) -> None:
        assert "Budget: 3 of 24 trials." in first_message()

    def test_the_first_iteration_says_that_nothing_was_tried(self) -> None:
        text = str(initial_messages(history(), "tools", 6, feedback=True)[1].content)
        assert "You have tried nothing yet" in text
        assert "Results so far" not in text

    def test_a_study_without_a_reference_can_be_told(self) -> None:
        assert "has no result yet" in first_message(reference=None, noise=None)

    def test_a_long_history_keeps_the_best_and_the_latest_and_counts_the_rest(self) -> None:
        past = tuple(record(number, ROTATE, 0.9 - number / 1000) for number in range(1, 201))
        values = feedback_values(history(past=past))
        numbers = [row.name for row in values["rows"]]
        assert len(numbers) == BEST_ROWS + LATEST_ROWS
        assert values["not_shown"] == 200 - len(numbers)
        assert values["best"].name == "iteration 1"
        assert values["last"].name == "iteration 200"


class TestConversation:
    def test_rejections_follow_as_the_models_answers_and_our_reasons(self) -> None:
        told = replace(
            history(), rejections=(Rejection("{oops", ("not valid JSON",)), Rejection("", ("empty",)))
        )
        messages = initial_messages(told, "structured", 0, feedback=True)
        assert [message.type for message in messages] == ["system", "human", "ai", "human", "ai", "human"]
        assert messages[2].content == "{oops"
        assert "- not valid JSON" in str(messages[3].content)
        assert messages[4].content == "(an empty answer)"

    def test_without_feedback_no_result_of_any_kind_is_said(self) -> None:
        told = history(past=(GOOD, FAILED, NOISE))
        text = "\n".join(
            str(message.content) for message in initial_messages(told, "tools", 6, feedback=False)
        )
        for result in ("0.78", "0.75", "out of memory", "Reference", "gain +"):
            assert result not in text
        assert "rotate(p=0.5, degrees=20) > horizontal_flip(p=0.5)" in text
