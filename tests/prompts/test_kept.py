"""What a model keeps from one prompt to the next: its notebook and its look-ups, bounded."""

import json
from dataclasses import replace

from agent.memory.history import History
from agent.memory.look_ups import NOTEBOOK, LookUp, Notebook
from agent.proposers import Malformed
from agent.proposers.answers import read_arguments
from agent.proposers.kept import LONGEST_IN_ALL, MOST_LOOK_UPS, notes_in
from tests.prompts.told import ROTATE, everything, first_message, history, system_message


def look_up(number: int, length: int = 50) -> LookUp:
    return LookUp("preview_policy", f"policy {number}", f"answer {number} " + "x" * length)


def with_look_ups(*look_ups: LookUp) -> History:
    return replace(history(), notebook=Notebook("", look_ups))


class TestTheNotebook:
    def test_what_was_written_last_stands_in_it_and_empty_notes_leave_it_as_it_was(self) -> None:
        kept = Notebook("first").then(Notebook("second")).then(Notebook(""))
        assert kept.notes == "second"
        assert Notebook().then(Notebook()).notes == ""

    def test_look_ups_add_up(self) -> None:
        assert Notebook("", (look_up(1),)).then(Notebook("", (look_up(2),))).look_ups == (
            look_up(1),
            look_up(2),
        )

    def test_it_is_the_same_after_a_trip_through_json(self) -> None:
        kept = Notebook("blur is out", (look_up(1),))
        assert Notebook.from_json(json.loads(json.dumps(kept.as_json()))) == kept

    def test_notes_in_an_answer_that_is_no_proposal_are_found_where_they_can_be_read(self) -> None:
        assert notes_in('{"policy": 3, "notes": "blur is out"}') == "blur is out"
        for answer in (
            "I would rotate.",
            "[1]",
            '{"notes": 7}',
            "{" * 5000,
            '{"notes": "' + "x" * 1501 + '"}',
        ):
            assert notes_in(answer) == ""

    def test_it_is_shown_in_every_prompt(self) -> None:
        told = replace(history(), notebook=Notebook("Rotation helps; blur does not.\nNext: light."))
        for mode in ("tools", "structured", "text"):
            assert "# Your notebook\n\nRotation helps; blur does not.\nNext: light." in first_message(
                told, mode
            )
            assert f"Keep a notebook in `notes`, at most {NOTEBOOK} characters" in system_message(told, mode)
        assert "notebook" not in everything(told, feedback=False)
        assert "# Your notebook" not in first_message(history())

    def test_one_that_is_too_long_is_refused_with_its_length(self) -> None:
        fields = ROTATE.model_dump()
        refused = read_arguments({**fields, "notes": "x" * (NOTEBOOK + 1)})
        assert isinstance(refused, Malformed)
        assert refused.reason.startswith("notes: 1,501 characters: the notebook has room for 1,500")
        assert not isinstance(read_arguments({**fields, "notes": "x" * NOTEBOOK}), Malformed)

    def test_it_does_not_make_another_proposal_of_the_same_policy(self) -> None:
        assert ROTATE.model_copy(update={"notes": "something"}).identity == ROTATE.identity


class TestLookUps:
    def test_they_are_shown_with_what_was_asked(self) -> None:
        text = first_message(with_look_ups(look_up(1), look_up(2)))
        assert text.index("## preview_policy: policy 1\nanswer 1 ") < text.index(
            "## preview_policy: policy 2\n"
        )
        assert "# What you looked up before" not in first_message(history())

    def test_of_the_same_question_the_latest_answer_counts(self) -> None:
        again = LookUp("preview_policy", "policy 1", "another answer")
        text = first_message(with_look_ups(look_up(1), look_up(2), again))
        assert "answer 1 " not in text
        assert text.index("answer 2 ") < text.index("another answer")

    def test_many_are_cut_to_the_latest_and_it_says_so(self) -> None:
        text = first_message(with_look_ups(*(look_up(at) for at in range(100))))
        assert text.count("## preview_policy") == MOST_LOOK_UPS
        assert "answer 99 " in text
        assert f"({100 - MOST_LOOK_UPS} earlier look-ups are not repeated.)" in text
        long = first_message(with_look_ups(*(look_up(at, 3000) for at in range(10))))
        assert len(long) < len(first_message(history())) + LONGEST_IN_ALL + 1000
        assert "answer 9 " in long
        assert "answer 1 " not in long
