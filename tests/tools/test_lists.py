"""Lists in one line of text."""

import pytest

from tools.lists import braced, bracketed


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('["a", "b c"]', ["a", "b c"]),
        ("[a, b c]", ["a", "b c"]),  # what a shell leaves of the above
        (r'["\u00e9"]', ["é"]),
        ("[1, no, 2026-11-28, null]", ["1", "no", "2026-11-28", "null"]),
        (" []", []),
    ],
)
def test_json_and_yaml_are_read_as_texts(text: str, items: list[str]):
    assert bracketed(text) == items


@pytest.mark.parametrize("text", ["[a", "[a: b]", "[[a], b]", "[a] b", "[&a b, *c]"])
def test_anything_else_is_refused_with_what_to_write(text: str):
    with pytest.raises(ValueError, match="is not a list: write a,b or"):
        bracketed(text)


def test_a_table_is_read_as_texts_or_as_what_its_values_look_like():
    text = '{"a": "b, c", d: 3, e: "3", f: no}'
    assert braced(text) == {"a": "b, c", "d": "3", "e": "3", "f": "no"}
    assert braced(text, typed=True) == {"a": "b, c", "d": 3, "e": "3", "f": False}


@pytest.mark.parametrize("text", ["{a", "{a: [b]}", "{a: {b: c}}", "{a: b} c", "{[a]: b}"])
def test_a_table_of_anything_else_is_refused_with_what_to_write(text: str):
    with pytest.raises(ValueError, match="is not a table: write a=b,c=d or"):
        braced(text)
