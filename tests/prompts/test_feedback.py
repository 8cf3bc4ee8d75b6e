"""What a model is told of its own work: its hypotheses and prompts, the classes, how sure a result is; all bounded."""

from dataclasses import replace

import pytest

from agent.memory.history import History
from agent.memory.proposal import Proposal
from agent.proposers.class_results import MOST_CHANGES, MOST_CLASSES, MOST_CONFUSIONS
from agent.proposers.results import BEST_ROWS, LATEST_ROWS, LONGEST_HYPOTHESIS, feedback_values
from prompts import render
from tests.agent.proposers.arms import REFERENCE
from tests.prompts.told import (
    BLUR,
    PROMPTS,
    ROTATE,
    everything,
    first_message,
    history,
    operation,
    proposal,
    record,
    system_message,
    with_confusion,
    with_prompts,
    with_scores,
)
from tools.aga.captions.prompt_sets import LONGEST_ENTRY, MOST_AVOIDED, MOST_ENTRIES
from tools.policy.canonical import one_line
from tools.policy.policy import Policy
from tools.policy.starts import default_policy


def results(told: History) -> str:
    return render("results", **feedback_values(told))


class TestWhatTheModelItselfDid:
    def test_its_hypotheses_stand_beside_what_came_of_them(self) -> None:
        past = (
            record(1, proposal(operation("rotate", degrees=9), hypothesis="Cells turn."), 0.78, gain=0.03),
            record(2, proposal(operation("jpeg", quality=40), gain=1.5, hypothesis="Files vary."), None),
        )
        text = first_message(history(past=past))
        assert "- iteration 1: Cells turn. Expected +0.50, got over no augmentation +3.00" in text
        assert "- iteration 2: Files vary. Expected +1.50, failed." in text

    def test_its_prompts_come_back_whole_with_what_the_gates_refused(self) -> None:
        made = replace(
            record(1, with_prompts(BLUR), 0.76, gain=0.01),
            generated="24 synthetic images; background blank: 20 passed, 4 refused",
        )
        text = first_message(history(past=(made, record(2, ROTATE, 0.77, gain=0.02))))
        for fact in (
            "Your background prompts of iteration 1 (over no augmentation +1.00",
            "- subject: bird; scale 1.5; flip_probability 0.5; max_rotation 10; min_scale 0.8; max_scale 1.2",
            "- instructions: a photograph of | a painting of",
            "- settings: a reedy shore | a mossy trunk",
            "- times: at dusk",
            "- avoid: gull | tern",
            "- what became of them: 24 synthetic images; background blank: 20 passed, 4 refused",
        ):
            assert fact in text

    def test_of_many_prompt_sets_the_best_and_the_latest_are_repeated(self) -> None:
        past = tuple(
            record(number, with_prompts(BLUR), 0.9 - number / 100, gain=0.1) for number in range(1, 6)
        )
        text = first_message(history(past=past))
        assert [number for number in range(1, 6) if f"prompts of iteration {number} " in text] == [1, 5]

    def test_images_that_could_not_be_made_say_why(self) -> None:
        failed = replace(
            record(1, with_prompts(BLUR), None), trials=(), generated="failed: no subject was found"
        )
        text = first_message(history(past=(failed,)))
        assert "- what became of them: failed: no subject was found" in text

    def test_without_prompts_nothing_is_said_of_them(self) -> None:
        assert "background prompts" not in first_message(history(past=(record(1, ROTATE, 0.78),)))


class TestClasses:
    def test_the_references_recall_of_each_class_is_told_before_anything_was_tried(self) -> None:
        assert "Its recall by class: dark: 0.80, light: 0.60." in first_message(history())

    def test_the_largest_confusions_of_the_reference_and_the_best_are_told_as_shares(self) -> None:
        reference = with_confusion(REFERENCE, ((38, 2), (10, 30)))
        best = with_confusion(record(1, ROTATE, 0.8, gain=0.05), ((36, 4), (6, 34)))
        told = replace(history(past=(best,)), reference=reference, incumbent=best)
        text = first_message(told)
        first = text.index("- light taken for dark: 25% without augmentation, 15% with the best policy")
        assert first < text.index("- dark taken for light: 5% without augmentation, 10% with the best policy")

    def test_before_the_first_result_the_references_confusions_stand_alone(self) -> None:
        told = replace(history(), reference=with_confusion(REFERENCE, ((38, 2), (10, 30))))
        assert "- light taken for dark: 25% without augmentation\n" in first_message(told)

    def test_without_a_mistake_no_confusion_is_told(self) -> None:
        told = replace(history(), reference=with_confusion(REFERENCE, ((40, 0), (0, 40))))
        assert "taken for" not in first_message(told)


def against(*candidates: tuple[float, ...], default: tuple[float, ...] | None = None) -> History:
    """Candidates with these scores under three seeds, against a reference of 0.70, 0.72 and 0.74."""
    past = tuple(
        with_scores(record(number, ROTATE, 0.0), values, 0.72)
        for number, values in enumerate(candidates, start=1)
    )
    return replace(
        history(past=past),
        reference=with_scores(REFERENCE, (0.70, 0.72, 0.74), 0.72),
        baselines=(
            () if default is None else (with_scores(record(0, BLUR, 0.0, name="default"), default, 0.72),)
        ),
    )


SPREAD = ((0.71, 0.74, 0.73), (0.72, 0.73, 0.71), (0.70, 0.71, 0.75))


class TestHowSureAResultIs:
    def test_it_is_graded(self) -> None:
        told = against(
            (0.80, 0.81, 0.85), (0.72, 0.73, 0.74), (0.71, 0.72, 0.73), (0.60, 0.64, 0.61), *SPREAD
        )
        clear, slight, none, bad = [row.over_none.chance for row in feedback_values(told)["rows"]][:4]
        assert clear == "almost certainly better (more than 39 in 40)"
        assert slight in ("perhaps better (about 2 in 3)", "likely better (about 4 in 5)")
        assert none in ("as likely better as worse", "perhaps worse (about 2 in 3)")
        assert bad == "almost certainly worse (more than 39 in 40)"

    def test_a_gain_that_chance_explains_is_believed_by_a_part_and_a_clear_one_nearly_whole(self) -> None:
        lucky = feedback_values(against((0.73, 0.75, 0.76), *SPREAD))["rows"][0].over_none
        assert lucky.measured == pytest.approx(0.0267, abs=1e-3)
        assert 0 <= lucky.believed < 0.8 * lucky.measured
        clear = feedback_values(against((0.90, 0.92, 0.93), *SPREAD))["rows"][0].over_none
        assert clear.believed > 0.8 * clear.measured

    def test_the_best_is_the_one_that_is_believed_to_be(self) -> None:
        """A single lucky seed, with a higher mean, is believed less than three good ones."""
        told = against((0.755, 0.775, 0.795), (0.758, 0.70, 0.71), *SPREAD)
        lone = replace(told.past[1], trials=told.past[1].trials[:1], mean=0.758)
        past = (told.past[0], lone, *told.past[2:])
        values = feedback_values(replace(told, past=past, incumbent=lone))
        assert values["best"].record.name == "iteration 1"

    def test_within_noise_is_never_said_to_be_no_evidence(self) -> None:
        past = (record(1, ROTATE, 0.76, gain=0.01, within_noise=True),)
        text = everything(history(past=past)) + results(history(past=past))
        assert "no evidence" not in text
        assert "within noise" not in text
        assert "A doubtful result is weak evidence, and still evidence" in text

    def test_a_baseline_has_its_chance_and_the_reference_none(self) -> None:
        told = replace(against(*SPREAD), baselines=(record(0, ROTATE, 0.76, name="aug_mix", gain=0.01),))
        text = first_message(told)
        line = next(each for each in text.splitlines() if each.startswith("- aug_mix: accuracy 0.7600"))
        assert "over no augmentation +4.00 [" in line
        assert "better (" in line
        assert results(told).startswith("## no augmentation: ")
        assert "better" not in results(told).partition("## aug_mix")[0]

    def test_a_single_seed_is_told_with_little_certainty(self) -> None:
        reference = with_scores(REFERENCE, (0.7,), 0.7)
        past = (with_scores(record(1, ROTATE, 0.0), (0.75,), 0.7),)
        told = replace(history(past=past), reference=reference, seeds=1)
        assert "perhaps better (about 2 in 3)" in first_message(told)
        assert "with one random seed and nothing else changed" in system_message(told)


class TestTheDefaultPolicy:
    def default(self, told: History) -> str:
        text = first_message(told)
        return text[text.index("# Usual policies") :]

    def tried(self, policy: Policy | None = None) -> History:
        """A history in which the default was trained: the usual one for the images, or `policy`."""
        usual = policy or default_policy("natural").policy
        proposed = ROTATE.model_copy(update={"policy": usual.operations})
        return replace(history(), baselines=(record(0, proposed, 0.76, name="default", gain=0.01),))

    def test_it_is_named_whether_or_not_it_was_tried(self) -> None:
        tried = self.tried()
        assert "calls it `default`, and its result as a baseline is given below." in self.default(tried)
        assert (
            "The default policy, `default`, is what must be beaten: "
            f"{one_line(default_policy('natural').policy)}\nAccuracy 0.7600" in self.default(tried)
        )
        assert "The default policy is what must be beaten" in system_message(tried)
        assert "this study calls it `default`.\n" in self.default(history())
        assert "must be beaten" not in everything(history())

    def test_every_result_is_told_against_it_first(self) -> None:
        told = against((0.80, 0.81, 0.85), (0.72, 0.73, 0.75), default=(0.75, 0.76, 0.79))
        text = first_message(told)
        row = next(line for line in text.splitlines() if line.startswith("| rotate"))
        over_default, over_none = row.split(" | ")[2:4]
        assert over_default.startswith("+5.33 [")
        assert over_none.startswith("+10.00 [")
        best = text.partition("Best: iteration 1")[2]
        assert best.index("over the default +5.33") < best.index("over no augmentation +10.00")
        assert "The first is over the default policy, which decides" in text
        told = replace(told, baselines=())
        assert "over the default" not in first_message(told)

    def test_without_feedback_no_result_of_it_is_promised(self) -> None:
        text = first_message(self.tried(), feedback=False)
        assert "this study calls it `default`.\n" in text
        assert "0.7600" not in text

    def test_one_that_the_user_gave_is_not_taken_for_the_usual_one(self) -> None:
        text = self.default(self.tried(ROTATE.as_policy()))
        assert "This study's `default`, which is to be beaten, is another policy: that of the user." in text
        assert "this study calls it `default`" not in text


class TestLimitsOfPromptSets:
    def test_they_are_those_that_vet_checks(self) -> None:
        text = system_message(replace(history(), backgrounds="optional"))
        for limit in (
            f"1 to {MOST_ENTRIES} entries each",
            f"up to {MOST_AVOIDED} in `avoid`",
            f"at most {LONGEST_ENTRY} characters",
            "scale above 0, up to 10",
            "max_rotation 0 to 180",
        ):
            assert limit in text
        assert "Limits of a set" not in system_message(history())


CLASSES = tuple(f"a rather long name of the class {number}" for number in range(200))
ENTRY = "x" * LONGEST_ENTRY


class TestBounds:
    """Two hundred classes, a hundred iterations, and a model that writes as much as it may."""

    @pytest.fixture(scope="class")
    def told(self) -> History:
        entries = [f"{number} {ENTRY}"[:LONGEST_ENTRY] for number in range(MOST_ENTRIES)]
        longest = PROMPTS.model_copy(
            update={
                "instructions": entries,
                "settings": entries,
                "times": entries,
                "avoid": [f"word {number}" for number in range(MOST_AVOIDED)],
            }
        )
        confusion = tuple(
            tuple(30 if row == column else (row + column) % 3 for column in range(200)) for row in range(200)
        )
        many = [operation("rotate", degrees=20)] * 12

        def made(number: int) -> Proposal:
            return with_prompts(proposal(*many, hypothesis=f"{number} " + "why " * 700), longest)

        past = tuple(
            with_confusion(
                replace(
                    record(
                        number,
                        made(number),
                        None if number % 3 == 0 else 0.9 - number / 1000,
                        gain=0.01,
                        recalls=tuple((number + at) % 10 / 10 for at in range(200)),
                        reason="because " * 500 if number % 3 == 0 else "",
                    ),
                    generated="a gate: 3 refused; " * 200,
                ),
                confusion,
            )
            for number in range(1, 101)
        )
        told = history(past=past)
        reference = replace(
            with_confusion(REFERENCE, confusion),
            trials=tuple(
                replace(trial, per_class_recall=tuple(at % 7 / 7 for at in range(200)), confusion=confusion)
                for trial in REFERENCE.trials
            ),
        )
        return replace(
            told,
            card=replace(told.card, classes=CLASSES),
            class_counts=dict.fromkeys(CLASSES, 30),
            reference=reference,
            backgrounds="optional",
        )

    def test_the_messages_are_bounded(self, told: History) -> None:
        text = everything(told)
        assert len(text) < 110_000
        assert len(results(told)) < 150_000
        table = [line for line in text.splitlines() if line.startswith("| rotate")]
        assert len(table) <= BEST_ROWS + LATEST_ROWS
        assert "(40 more are not shown" in text
        assert text.count("taken for") <= 2 * MOST_CONFUSIONS
        assert text.count("- recall of ") <= 2 * MOST_CHANGES
        assert "more classes changed, by less" in text

    def test_what_is_cut_says_so(self, told: History) -> None:
        text = first_message(told)
        assert f"; the other {200 - MOST_CLASSES} classes are higher, median 0." in text
        hypothesis = next(line for line in text.splitlines() if line.startswith("- iteration 100: 100 why"))
        assert len(hypothesis) < LONGEST_HYPOTHESIS + 150
        assert "…" in hypothesis
        assert f"and {MOST_AVOIDED - 60} more" in text
        assert "more are not repeated.)" in text
        assert "earlier failures are not repeated.)" in text
        assert "iteration 100" in text

    def test_each_recall_of_a_few_classes_is_read_but_not_of_hundreds(self, told: History) -> None:
        few = history(past=(record(1, ROTATE, 0.78, gain=0.03),))
        assert "Recall: dark: 0.80, light: 0.70" in results(few)
        assert results(told).count("Recall") == 1  # the reference's lowest

    def test_policies_of_a_long_study_without_feedback_are_bounded_too(self) -> None:
        past = tuple(record(number, ROTATE, 0.7) for number in range(1, 501))
        text = first_message(history(past=past), feedback=False)
        assert text.count("- rotate(p=0.5, degrees=20) > horizontal_flip") == 200
        assert "(300 earlier ones are not repeated here.)" in text
