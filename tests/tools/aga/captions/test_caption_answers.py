"""Captions are read from answers that are nearly as they should be; of others the reason is told."""

from tools.aga.captions.caption_answers import read_answer


def test_a_list_that_is_nearly_as_asked_for_is_understood() -> None:
    for answer in (
        '```json\n[{"number": 1, "caption": "A wall."}, {"number": 2, "caption": "A pond."}]\n```',
        'Sure [2 captions]! [{"number": "2", "caption": "A pond."}, {"number": 1, "caption": "\\"A  wall.\\""}].',
        '{"captions": [{"number": 1, "caption": "A wall."}, {"number": 2, "caption": "A pond."}]}',
        '{"1": "A wall.", "2": "A pond."}',
        '["A wall.", "A pond."]',
        '{"number": 1, "caption": "A wall."}\n{"number": 2, "caption": "A pond."}',
        '[{"number": 1, "caption": "A wall."}, {"number": 2, "caption": "A pond."}, {"number": 3, "capt',
    ):
        assert read_answer(answer, 2)[0] == {1: "A wall.", 2: "A pond."}, answer


def test_a_useless_answer_gives_the_reason() -> None:
    for answer, reason in (
        ("", "empty"),
        ("I am sorry, I cannot do that.", "not JSON"),
        ('{"wall": }', "not JSON"),
        ("[" * 5000, "not JSON"),
        ("[1, 2]", "no JSON list of captions with their numbers"),
        ('["one for two"]', "no JSON list of captions with their numbers"),
        ('[{"number": 9, "caption": "A wall."}]', "no JSON list of captions with their numbers"),
        ('[{"number": 1, "caption": null}]', "no JSON list of captions with their numbers"),
    ):
        found, why = read_answer(answer, 2)
        assert found == {}
        assert reason in why, answer
