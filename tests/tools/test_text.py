"""Text from outside is made safe, and nothing else of it is changed."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.text import clean, markdown, one_line

ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 图像 🦊 e\u0301", "plain äöü 图像 🦊 e\u0301"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("half \ud83d alone", "half � alone"),
        ("halves \ud83e\udd8a together", "halves 🦊 together"),
        (os.fsdecode(b"caf\xe9.jpg"), "caf\\xe9.jpg"),
        ("red \x1b[31mtext\x1b[0m", "red text"),
        ("title \x1b]0;owned\x07 set", "title  set"),
        ("link \x1b]8;;http://x\x1b\\here\x1b]8;;\x1b\\", "link here"),
        ("screen\x1bc cleared", "screen cleared"),
        ("C1 \x9b31m here", "C1  here"),
        ("nul \x00 bell \x07 delete \x7f", "nul � bell � delete �"),
        ("evil\u202egnp.exe", "evil�gnp.exe"),
        ("a\r\nb\rc\u2028d\x85e", "a\nb\nc\nd\ne"),
        ("family \U0001f468\u200d\U0001f469 joined", "family \U0001f468\u200d\U0001f469 joined"),
    ],
)
def test_what_cannot_be_shown_is_replaced_and_the_rest_stays(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(ANY_TEXT)
def test_any_text_can_be_encoded_and_holds_no_control_character(text: str) -> None:
    safe = clean(text)
    safe.encode()
    assert all(character in "\n\t" or character.isprintable() or ord(character) >= 0xA0 for character in safe)
    assert clean(safe) == safe


@given(ANY_TEXT)
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
    assert len(one_line(text, 10)) <= 10


def test_a_cut_is_shown() -> None:
    assert one_line("one two three four", 10) == "one two t…"


def test_markdown_leaves_usual_text_alone() -> None:
    text = "horizontal_flip(p=0.5): 50% of scans, say, are mirrored; gain +1.2 & more!"
    assert markdown(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "# Heading",
        "fine\n## The final comparison\n**better**",
        "- item",
        "+ item",
        "1. item",
        "2) item",
        "===",
        "---",
        "> quote",
        "| a | b |",
        "![x](http://example.org/x.png)",
        "[click](javascript:alert(1))",
        "<script>alert(1)</script>",
        "&lt;b&gt;",
        "`code` ~~~ *strong* __strong__",
        "\\# not escaped",
        "~~gone~~ and ~~~",
        "_emphasis_ but snake_case",
    ],
)
def test_markdown_shows_the_text_as_it_is(text: str) -> None:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

    def inline(tokens: list[Token]) -> list[Token]:
        return [child for token in tokens for child in token.children or []]

    blocks = MarkdownIt("commonmark", {"html": True}).enable("table").parse(f"{markdown(text)}\n")
    assert [token.type for token in blocks] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(token.content for token in inline(blocks)) == " ".join(text.split())
    assert {token.type for token in inline(blocks)} <= {"text", "text_special"}
