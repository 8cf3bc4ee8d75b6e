"""Lists in one line of text."""

import pytest

from tools.lists import bracketed


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
