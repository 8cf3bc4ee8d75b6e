"""Text from outside (file names, answers of a model, messages of a server), made safe to store and to show.

Such text may hold half a character, control characters that steer a terminal, or characters that reverse the order in
which a line is read. No encoder, database or screen should have to cope with them, so it is cleaned where it comes in,
and once more where it leaves for a screen, MLflow, a prompt or a page.
"""

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_TERMINAL_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, moves of the cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, …: titles, links, clipboard
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI as one character
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
)
_REORDERS = "\u202a-\u202e\u2066-\u2069"
_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_UNSAFE = re.compile(rf"[\x00-\x08\x0e-\x1f\x7f-\x9f{_REORDERS}\ud800-\udfff\ufffe\uffff]")
_MARKDOWN = re.compile(r"([\\`*\[\]<>|~]|(?<![^\W_])_|_(?![^\W_])|^#|&(?=#?\w+;))")
"""Not an underscore within a word, and not a sign where it means nothing: names of operations stay easy to read."""
_ITEM = re.compile(r"^(\d*)([-+=.)])(?=[-+=]*(?:\s|$))")
"""What begins an item of a list, a rule, or the underline of a heading."""


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun, as in '1 image' and '1,204 images'.

    Args:
        count: how many.
        one: the noun, and what agrees with it, for one.
        many: the same for any other number; `one` with an s where it is not given.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def clean(text: str) -> str:
    r"""The text in characters that can be encoded, stored and shown; lines and tabs stay.

    Line ends of every kind become `\n`. Sequences that steer a terminal are removed. A byte of a file name that is not
    UTF-8 becomes `\xNN`, as tools that list files show it; every other character that cannot be shown (half of a
    pair, control characters, characters that reverse the reading order) becomes U+FFFD.
    """
    # A Python string may hold the two halves of one character separately: such a pair is a character.
    if any("\ud800" <= character <= "\udbff" for character in text):
        text = re.sub("[\ud800-\udbff][\udc00-\udfff]", _joined, text)
    text = _TERMINAL_SEQUENCE.sub("", text)
    return _UNSAFE.sub(_shown, _LINE_END.sub("\n", text))


def one_line(text: str, longest: int | None = None) -> str:
    """As `clean`, on one line, with single spaces; cut to `longest` characters, which `…` shows."""
    line = " ".join(clean(text).split())
    return line if longest is None or len(line) <= longest else line[: max(0, longest - 1)].rstrip() + "…"


def markdown(text: str) -> str:
    """One line that Markdown shows as it is: it opens no heading, list, quote, table, link, picture or HTML."""
    line = _MARKDOWN.sub(r"\\\1", one_line(text))
    return _ITEM.sub(r"\1\\\2", line)


def encoded(text: str) -> bytes:
    """The text in bytes for a digest, whatever characters it has; in UTF-8 where that is possible."""
    return text.encode("utf-8", "surrogatepass")


def _joined(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else REPLACEMENT
