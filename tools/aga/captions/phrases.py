"""Joins instruction, setting and time to one phrase, as a person would."""

import re

_COMMAND = re.compile(
    r"^(?:please\s+)?"
    r"(?:describe|depict|imagine|visuali[sz]e|create|generate|write|compose|produce|provide|give|render|paint|draw|"
    r"show|picture(?!\s+of))\s+(?:me\s+)?",
    re.IGNORECASE,
)
"""'Describe a quiet view of' is meant for a chat model; a text-to-image model needs only what follows."""
_ABOUT_WORDS = re.compile(
    r"^(?:(?:a|an|the)\s+)?(?:\w+\s+)?(?:caption|description|prompt|sentence)\s+(?:of|for|about|that describes)\b\s*",
    re.IGNORECASE,
)
_EXPECTS_MORE = re.compile(
    r"an?|the|its|their|this|that|these|those|and|or|but|nor|as|is|are|very|of|in|on|at|by|to|for|from|with|without|"
    r"under|over|near|between|among|beneath|beside|behind|against|before|after|across|along|through|inside|into|onto|"
    r"showing|depicting|featuring|overlooking",
    re.IGNORECASE,
)
_NEEDS_NO_COMMA = re.compile(
    r"at|in|on|by|of|with|without|during|under|after|before|against|through|from|near|beside|behind|within|inside|"
    r"amid|among|across|along|over|while|when|as|just|shortly",
    re.IGNORECASE,
)


def expects_more(word: str) -> bool:
    """Whether a phrase cannot end in `word`, and continues after it without a comma."""
    return _EXPECTS_MORE.fullmatch(word) is not None


def _needs_no_comma(word: str) -> bool:
    """Whether a phrase that begins with `word` needs no comma before it."""
    return _NEEDS_NO_COMMA.fullmatch(word) is not None


def joined(instruction: str, setting: str, time: str) -> str:
    """One phrase of the parts that are not empty, beginning with a capital.

    >>> joined("a macro photograph of", "a mossy stone", "at dusk")
    'A macro photograph of a mossy stone at dusk'
    >>> joined("Describe an oil painting", "a mossy stone", "late autumn")
    'An oil painting, a mossy stone, late autumn'
    """
    parts = [part for each in (_pictured(instruction), setting, time) if (part := _trimmed(each))]
    phrase = ""
    for part in parts:
        phrase = f"{phrase}{_link(phrase, part)}{part}" if phrase else part
    words = phrase.split()
    while words and expects_more(words[-1]):
        words.pop()
    phrase = " ".join(words)
    return phrase[:1].upper() + phrase[1:]


def _pictured(instruction: str) -> str:
    return _ABOUT_WORDS.sub("", _COMMAND.sub("", instruction.strip()))


def _trimmed(part: str) -> str:
    return " ".join(part.split()).strip(" ,.;:")


def _link(before: str, after: str) -> str:
    return " " if expects_more(before.split()[-1]) or _needs_no_comma(after.split()[0]) else ", "
